package cli

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/process"
)

func runCommand() *cobra.Command {
	var file, listen, to, protocol string
	var foreground bool
	signals := process.SuccessorSignals() // here, where nothing was read yet
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway",
		Example: `  ringway run -c gateway.yaml
  ringway run --listen :8080 --to 127.0.0.1:3000
  ringway run --listen :5432 --to 10.0.0.5:5432 --protocol tcp`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if process.IsWorker() {
				return runWorker(file, cmd.ErrOrStderr())
			}
			spec, source, err := loadOrForward(file, listen, to, protocol)
			if s, ok := inheritedSettings(); err != nil && ok {
				return runMaster(s, configOf(file, listen, to, protocol), signals, cmd.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			if !foreground {
				return runMaster(settings{spec.Process, spec.Log, spec.NeedsNetRaw()}, configOf(file, listen, to, protocol), signals, cmd.ErrOrStderr())
			}
			r := run{spec: spec, source: source, stderr: cmd.ErrOrStderr()}
			if file != "" {
				r.read = func() (gateway.Source, error) { return readSource(file) }
			}
			return r.serve(nil)
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	c.Flags().StringVar(&listen, "listen", "", "address to listen on, instead of a file")
	c.Flags().StringVar(&to, "to", "", "server to forward to, HOST:PORT or unix:/path")
	c.Flags().StringVar(&protocol, "protocol", "", "what is forwarded: http (default), or tcp for anything")
	c.Flags().BoolVar(&foreground, "foreground-worker", false, "serve in this process, without a master, for debugging: no upgrade, and no restart after a crash")
	return c
}

// configOf reads the configuration as a master passes it on.
func configOf(file, listen, to, protocol string) func() (process.Config, error) {
	return func() (process.Config, error) {
		if file == "" {
			return process.Config{Name: "command line", Bytes: gateway.ForwardText(listen, to, inbound.Protocol(cmp.Or(protocol, string(inbound.HTTP))))}, nil
		}
		text, err := os.ReadFile(file)
		return process.Config{Name: file, Bytes: text}, err
	}
}

func loadOrForward(file, listen, to, protocol string) (*gateway.Spec, gateway.Source, error) {
	none := gateway.Source{Name: "command line"}
	switch {
	case file != "" && (listen != "" || to != "" || protocol != ""):
		return nil, none, usage("give a configuration file, or --listen and --to, not both")
	case protocol == "":
		protocol = string(inbound.HTTP)
	case !slices.Contains(inbound.Protocol("").EnumValues(), protocol):
		return nil, none, usage("--protocol is one of %s", strings.Join(inbound.Protocol("").EnumValues(), ", "))
	}
	switch {
	case file != "":
		return load(file)
	case listen == "" || to == "":
		return nil, none, usage("give a configuration file with -c, or both --listen and --to")
	}
	spec, err := gateway.Forward(listen, to, inbound.Protocol(protocol))
	return spec, none, err
}

func readSource(file string) (gateway.Source, error) {
	text, err := os.ReadFile(file)
	return gateway.Source{Name: file, Text: text}, err
}

// load reads a configuration for a gateway that is about to start.
func load(file string) (*gateway.Spec, gateway.Source, error) {
	return loadBy(gateway.Load, file)
}

// loadBeside reads one beside a gateway that runs.
func loadBeside(file string) (*gateway.Spec, gateway.Source, error) {
	return loadBy(gateway.LoadBeside, file)
}

// readPart reads a part of a configuration, whose other parts may be faulty.
func readPart[T any](file string, load func(file string, text []byte) (T, error)) (part T, err error) {
	source, err := readSource(file)
	if err != nil {
		return part, err
	}
	return load(source.Name, source.Text)
}

// readFaults tells what is wrong anywhere in a configuration: what a command looked for may only be misspelled there.
func readFaults(file string) error {
	_, _, err := loadBeside(file)
	return err
}

func loadBy(how func(file string, text []byte) (*gateway.Spec, error), file string) (*gateway.Spec, gateway.Source, error) {
	source, err := readSource(file)
	if err != nil {
		return nil, source, err
	}
	spec, err := how(file, source.Text)
	return spec, source, err
}

// run is a gateway in this process.
type run struct {
	spec   *gateway.Spec
	source gateway.Source
	read   func() (gateway.Source, error) // the file as it is now; nil: there is none
	stderr io.Writer
}

// serve runs the gateway until SIGTERM or SIGINT, or until it is asked to drain, then drains; a second signal ends the waiting.
// SIGHUP reloads, SIGUSR1 reopens logs. started, if not nil, is called when the gateway accepts.
func (r *run) serve(started func(*gateway.Gateway)) error {
	log := openLog(r.spec.Log, r.stderr)
	defer log.Close()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)

	asked := make(chan struct{}, 1)
	g, err := gateway.Start(context.Background(), r.spec, gateway.Options{Log: log.Logger, Version: buildVersion(), Source: r.source, SetLog: log.set,
		Hooks: gateway.Hooks{Read: r.read, Drain: func(context.Context) error {
			select {
			case asked <- struct{}{}:
			default: // it was asked for before
			}
			return nil
		}}})
	if err != nil {
		return err
	}
	for _, name := range g.Listeners() {
		log.Info("listening", "listener", name, "address", g.Addr(name))
	}
	if a := g.AdminAddr(); a != "" {
		log.Info("admin", "address", a)
	}
	if started != nil {
		started(g)
	}
	for waiting := true; waiting; {
		select {
		case <-asked:
			log.Info("draining", "why", "the admin API was asked to")
			waiting = false
		case s := <-signals:
			switch s {
			case syscall.SIGUSR1:
				if err := g.Reopen(); err != nil {
					log.Error("cannot reopen the access log", "err", err)
				}
			case syscall.SIGHUP:
				go r.reload(g, log.Logger) // which may have to wait for names to be resolved; signals do not
			default:
				log.Info("draining", "signal", s.String())
				waiting = false
			}
		}
	}
	return drain(g, signals, log.Logger)
}

// reload goes over to what the file says now.
func (r *run) reload(g *gateway.Gateway, log *slog.Logger) {
	if r.read == nil {
		log.Warn("there is no configuration file to reload")
		return
	}
	source, err := r.read()
	if err == nil {
		_, err = g.Reload(context.Background(), gateway.Change{Source: source})
	}
	if err == nil {
		return
	}
	log.Error("not reloaded, nothing has changed", "err", err)
}

func drain(g *gateway.Gateway, signals <-chan os.Signal, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGUSR1 && s != syscall.SIGHUP {
					cancel()
				}
			case <-finished:
				return
			}
		}
	}()
	if err := g.Drain(ctx); err != nil {
		log.Warn("drained, but not cleanly", "err", err)
		return nil
	}
	log.Info("drained")
	return nil
}
