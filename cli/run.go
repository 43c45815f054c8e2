package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/observe/applog"
)

func runCommand() *cobra.Command {
	var file, listen, to, protocol string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway",
		Example: `  ringway run -c gateway.yaml
  ringway run --listen :8080 --to 127.0.0.1:3000
  ringway run --listen :5432 --to 10.0.0.5:5432 --protocol tcp`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := loadOrForward(file, listen, to, protocol)
			if err != nil {
				return err
			}
			return serve(spec, cmd.ErrOrStderr(), nil)
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	c.Flags().StringVar(&listen, "listen", "", "address to listen on, instead of a file")
	c.Flags().StringVar(&to, "to", "", "server to forward to, HOST:PORT or unix:/path")
	c.Flags().StringVar(&protocol, "protocol", "", "what is forwarded: http (default), or tcp for anything")
	return c
}

func loadOrForward(file, listen, to, protocol string) (*gateway.Spec, error) {
	switch {
	case file != "" && (listen != "" || to != "" || protocol != ""):
		return nil, usage("give a configuration file, or --listen and --to, not both")
	case protocol == "":
		protocol = string(inbound.HTTP)
	case !slices.Contains(inbound.Protocol("").EnumValues(), protocol):
		return nil, usage("--protocol is one of %s", strings.Join(inbound.Protocol("").EnumValues(), ", "))
	}
	switch {
	case file != "":
		return load(file)
	case listen == "" || to == "":
		return nil, usage("give a configuration file with -c, or both --listen and --to")
	}
	return gateway.Forward(listen, to, inbound.Protocol(protocol))
}

func load(file string) (*gateway.Spec, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return gateway.Load(file, data)
}

// serve runs spec until SIGTERM or SIGINT, then drains; a second signal ends the waiting. started, if not nil, is called
// when the gateway accepts.
func serve(spec *gateway.Spec, stderr io.Writer, started func(*gateway.Gateway)) error {
	log := applog.Open(spec.Log, stderr)
	defer log.Close()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGHUP) // a terminal that goes away must not cut requests

	g, err := gateway.Start(context.Background(), spec, gateway.Options{Log: log.Logger, Version: buildVersion()})
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
	for s := range signals {
		if s == syscall.SIGUSR1 {
			if err := g.Reopen(); err != nil {
				log.Error("cannot reopen the access log", "err", err)
			}
			continue
		}
		log.Info("draining", "signal", s.String())
		break
	}
	return drain(g, signals, log)
}

func drain(g *gateway.Gateway, signals <-chan os.Signal, log *applog.Log) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGUSR1 {
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
