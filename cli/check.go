package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway"
)

func checkCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a configuration file and say everything that is wrong with it",
		Example: "  ringway check -c gateway.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return usage("which file?")
			}
			spec, err := load(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %d listeners, %d clusters\n", file, len(spec.Listeners), len(spec.Clusters))
			return nil
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	return c
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := config.Schema(new(gateway.Spec), "Ringway configuration")
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(append(s, '\n'))
			return err
		},
	}
}
