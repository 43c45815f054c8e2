package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/config"
)

// Main runs the command line and returns the exit status: 0, 1 for a failure, 2 for wrong usage or a bad configuration.
func Main(args []string, stdout, stderr io.Writer) int {
	root := command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	var bad config.Errors
	var usage *usageError
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return exit.status
	}
	switch {
	case errors.As(err, &bad):
		for _, e := range bad {
			fmt.Fprintln(stderr, e)
		}
		return 2
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "ringway: %v\nRun 'ringway --help' for usage.\n", err)
		return exitStatus(exit, 2)
	}
	fmt.Fprintf(stderr, "ringway: %v\n", err)
	return exitStatus(exit, 1)
}

// exitStatus is that of a command that has statuses of its own, or what others end with.
func exitStatus(exit *exitError, others int) int {
	if exit != nil {
		return exit.status
	}
	return others
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:                        "ringway",
		Short:                      "A gateway for HTTP on per-core event loops",
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       unknownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(runCommand(), checkCommand(), schemaCommand(), versionCommand(), demoCommand(), pingCommand(),
		statusCommand(), reloadCommand(), drainCommand(), keyServerCommand(), upgradeCommand(), masterCommand())
	for _, c := range root.Commands() {
		c.Args = asUsage(c.Args)
	}
	return root
}

// unknownCommand refuses what is no subcommand; without a word of its own cobra would print the help and succeed.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage("unknown command %q; did you mean %q?", args[0], near[0])
	}
	return usage("unknown command %q", args[0])
}

// asUsage makes what check says of the arguments count as wrong usage.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}
