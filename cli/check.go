package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/observe/admin"
)

func checkCommand() *cobra.Command {
	var file, against, address string
	var diff bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration file and say everything that is wrong with it",
		Long: "Checks a configuration file and says everything that is wrong with it. With --diff it also prints what a reload would change:\n" +
			"against the gateway that runs, or against another file.",
		Example: `  ringway check -c gateway.yaml
  ringway check --diff gateway.yaml
  ringway check --diff --against old.yaml new.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return usage("which file?")
			}
			if (against != "" || address != "") && !diff {
				return usage("--against and --admin say what to compare with: give --diff")
			}
			spec, source, err := loadBeside(file)
			if err != nil {
				return err
			}
			switch w := cmd.OutOrStdout(); {
			case against != "":
				old, _, err := loadBeside(against)
				if err != nil {
					return err
				}
				printDiff(w, gateway.DiffText(config.Diff(old, spec)))
			case diff:
				to := target{file: file, address: address}
				return to.operate(func(ctx context.Context, c *admin.Client) error {
					r, err := c.Diff(ctx, source.Text)
					if err == nil {
						printDiff(w, r.Diff)
					}
					return err
				})
			default:
				if err := spec.Permitted(); err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				fmt.Fprintf(w, "%s: ok, %d listeners, %d clusters\n", file, len(spec.Listeners), len(spec.Clusters))
			}
			return nil
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	c.Flags().BoolVar(&diff, "diff", false, "print what a reload would change")
	c.Flags().StringVar(&against, "against", "", "with --diff: another file to compare with, instead of the gateway that runs")
	c.Flags().StringVar(&address, "admin", "", "with --diff: admin address of the gateway that runs (default: the file's)")
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
