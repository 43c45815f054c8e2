package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/observe/applog"
	"github.com/ringway/ringway/process"
)

// product is the program as its processes name it to each other.
func product() string { return "ringway " + buildVersion() }

// runWorker is the life of a worker: the process that serves. It learns its configuration from its master.
func runWorker(file string, stderr io.Writer) error {
	log := openLog(applog.Spec{Level: "info", Format: applog.Text}, stderr) // until the configuration says how
	defer log.Close()
	o := gateway.ServiceOptions{Version: buildVersion(), OpenLog: func(s applog.Spec) gateway.Log {
		log.set(s)
		return gateway.Log{Logger: log.Logger, Set: log.set, Close: func() {}}
	}}
	if file != "" {
		o.Read = func() (gateway.Source, error) { return readSource(file) }
	}
	err := process.RunWorker(gateway.NewService(o), process.WorkerOptions{Product: product(), Log: log.Logger, Name: "ringway worker"})
	if _, told := errors.AsType[*process.ReportedError](err); told {
		return &exitError{status: 1} // the master says why
	}
	return err
}

// settings are what a master takes of its configuration. A program that takes over from one whose configuration has become faulty
// in the meantime goes by those of its predecessor: ending would end the service.
type settings struct {
	Process gateway.ProcessSpec
	Log     applog.Spec
	NetRaw  bool // workers ping, and keep what that takes when they run as another user
}

// The environment variables by which a master leaves its settings, and by which package process leaves its state.
const (
	settingsVariable  = "RINGWAY_MASTER_SETTINGS"
	successorVariable = "RINGWAY_MASTER_STATE"
)

// inheritedSettings are those of the master before this one, if there was one.
func inheritedSettings() (s settings, ok bool) {
	if os.Getenv(successorVariable) == "" {
		return s, false
	}
	return s, json.Unmarshal([]byte(os.Getenv(settingsVariable)), &s) == nil
}

// leave has the program that takes over find s.
func (s settings) leave() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.Setenv(settingsVariable, string(text))
}

// keep are the capabilities that workers have although they run as another user.
func (s settings) keep() []string {
	if s.NetRaw {
		return []string{"net_raw"}
	}
	return nil
}

// runMaster is the life of a master, which starts the workers. config reads the configuration; signals are those of a successor.
func runMaster(s settings, config func() (process.Config, error), signals chan os.Signal, stderr io.Writer) error {
	log := masterLog(s.Log, stderr)
	if err := s.leave(); err != nil {
		return err
	}
	debug.FreeOSMemory() // a large configuration was read to check it, and a master needs next to nothing from here on
	p := s.Process
	return process.RunMaster(process.MasterOptions{
		Product: product(), Log: log, Config: config, Signals: signals, PIDFile: p.PIDFile, Survive: p.Survive, Name: "ringway master",
		ControlPath: cmp.Or(p.Control, defaultControl()), ControlOptional: p.Control == "",
		Privileges: process.Privileges{User: p.User, Group: p.Group, NoNewPrivileges: true, DropCapabilities: p.User != "", Keep: s.keep()},
	})
}

// masterLog writes at once: a line that waited would be lost when the master becomes another program.
func masterLog(s applog.Spec, w io.Writer) *slog.Logger {
	o := new(slog.HandlerOptions)
	var level slog.Level
	if level.UnmarshalText([]byte(s.Level)) == nil {
		o.Level = level
	}
	if s.Format == applog.JSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// defaultControl is where the control socket is when nobody says.
func defaultControl() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "ringway.sock")
	}
	if os.Geteuid() == 0 {
		return "/run/ringway.sock"
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("ringway-%d.sock", os.Geteuid()))
}

// masterCommand asks the master itself: it answers also when no worker does.
func masterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "master",
		Short: "Ask the master process of the gateway that runs",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, s := range []struct {
		use, short string
		do         func(context.Context, *process.Client, io.Writer) error
	}{
		{"status", "Print master, workers and crash records, as JSON", func(ctx context.Context, c *process.Client, w io.Writer) error {
			_, text, err := c.Status(ctx)
			if err == nil {
				fmt.Fprintf(w, "%s\n", text)
			}
			return err
		}},
		{"reload", "Read the configuration again, and print what changed", func(ctx context.Context, c *process.Client, w io.Writer) error {
			r, err := c.Reload(ctx, process.ReloadRequest{})
			if err == nil {
				fmt.Fprint(w, r.Diff)
			}
			return err
		}},
		{"drain", "End when everything in flight has finished", func(ctx context.Context, c *process.Client, _ io.Writer) error { return c.Drain(ctx) }},
		{"stop", "End at once", func(ctx context.Context, c *process.Client, _ io.Writer) error { return c.Stop(ctx) }},
		{"reopen", "Open log files anew", func(ctx context.Context, c *process.Client, _ io.Writer) error { return c.Reopen(ctx) }},
	} {
		var to reach
		sub := &cobra.Command{Use: s.use, Short: s.short, Args: asUsage(cobra.NoArgs)}
		sub.RunE = func(cmd *cobra.Command, _ []string) error {
			path, err := to.controlPath()
			if err != nil {
				return err
			}
			return askMaster(path, func(ctx context.Context, c *process.Client) error { return s.do(ctx, c, cmd.OutOrStdout()) })
		}
		to.controlFlag(sub)
		to.fileFlag(sub, "configuration file of the gateway, to learn its control socket")
		c.AddCommand(sub)
	}
	return c
}
