package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/observe/admin"
	"github.com/ringway/ringway/process"
)

// askTimeout bounds what is asked of a master; an upgrade may have to wait for the old worker.
const askTimeout = 2 * time.Minute

// reach is how a command that is for master and gateway finds them: by the master's control socket, which answers also when no
// worker does, or by the gateway's admin address.
type reach struct{ control, address, file string }

func (r *reach) controlFlag(c *cobra.Command) {
	c.Flags().StringVar(&r.control, "control", "", "control socket of the master (default: the file's, or "+defaultControl()+")")
}

func (r *reach) fileFlag(c *cobra.Command, usage string) {
	c.Flags().StringVarP(&r.file, "config", "c", "", usage)
}

func (r *reach) flags(c *cobra.Command) {
	r.controlFlag(c)
	r.fileFlag(c, "configuration file of the gateway, to learn its control socket, or its admin address and token")
	c.Flags().StringVar(&r.address, "admin", "", "admin address of the gateway: HOST:PORT or unix:/path")
}

// controlPath is that of the flag, the file, or where it is by default.
func (r *reach) controlPath() (string, error) {
	path := r.control
	if path == "" && r.file != "" {
		spec, err := readPart(r.file, gateway.LoadProcess)
		if err != nil {
			return "", err
		}
		if path = spec.Control; path == "" {
			if err := readFaults(r.file); err != nil {
				return "", err
			}
		}
	}
	return cmp.Or(path, defaultControl()), nil
}

// either asks the master, or the gateway directly: whichever the flags name, or else the file. A file that names neither is of a gateway that
// has only the control socket that every master has by default.
func (r *reach) either(master func(context.Context, *process.Client) error, direct func(context.Context, *admin.Client) error) error {
	control, address := r.control, r.address
	switch {
	case control != "" && address != "":
		return usage("give --control or --admin, not both")
	case control == "" && address == "" && r.file != "":
		spec, err := readPart(r.file, gateway.LoadProcess)
		if err != nil {
			return err
		}
		if control = spec.Control; control == "" {
			spec, err := readPart(r.file, gateway.LoadAdmin)
			if err != nil {
				return err
			}
			address = spec.Address
		}
		if control == "" && address == "" { // the gateway at the default socket may be another one
			if err := readFaults(r.file); err != nil {
				return err
			}
		}
	}
	if address != "" {
		to := target{file: r.file, address: address}
		return to.operate(direct)
	}
	return askMaster(cmp.Or(control, defaultControl()), master)
}

// askMaster runs f with a connection to the master.
func askMaster(path string, f func(context.Context, *process.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	c, err := process.Dial(ctx, path, product())
	if err != nil {
		return fmt.Errorf("no master answers at %s: %w", path, err)
	}
	defer c.Close()
	return f(ctx, c)
}

// upgradeCommand replaces the program that runs.
func upgradeCommand() *cobra.Command {
	var to reach
	c := &cobra.Command{
		Use:     "upgrade",
		Short:   "Have the gateway that runs go over to the program that is on disk now, without losing a connection",
		Example: "  ringway upgrade -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return to.either(func(ctx context.Context, c *process.Client) error { return c.Upgrade(ctx) },
				func(ctx context.Context, c *admin.Client) error { return c.Upgrade(ctx) })
		},
	}
	to.flags(c)
	return c
}

// drainCommand ends the gateway. Without any flag it is the one with the default admin address, as for other commands.
func drainCommand() *cobra.Command {
	var to reach
	c := &cobra.Command{
		Use:     "drain",
		Short:   "Have the gateway that runs end when everything in flight has finished",
		Example: "  ringway drain -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == (reach{}) {
				to.address = defaultAdmin
			}
			err := to.either(func(ctx context.Context, c *process.Client) error { return c.Drain(ctx) },
				func(ctx context.Context, c *admin.Client) error { return c.Drain(ctx) })
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "draining")
			}
			return err
		},
	}
	to.flags(c)
	return c
}
