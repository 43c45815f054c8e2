package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/probe/live"
	"github.com/ringway/ringway/probe/report"
)

// ping is the command, once its flags are read.
func ping(cmd *cobra.Command, f *pingFlags, args []string) error {
	if f.delay <= 0 {
		return pingUsageError("--delay is above nought")
	}
	for _, name := range []string{"rate", "interval", "total-rate"} {
		if cmd.Flags().Changed(name) && f.paced {
			return pingUsageError("give one of --rate, --interval and --total-rate")
		}
		f.paced = f.paced || cmd.Flags().Changed(name)
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	list, err := f.targets(args, cmd.InOrStdin())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	list = probe.Resolve(ctx, list, probe.ResolveOptions{Only4: f.only4, Only6: f.only6, All: f.all})
	switch {
	case f.trace && f.mtu:
		return pingUsageError("--trace and --mtu exclude each other")
	case f.trace:
		return trace(ctx, cmd.OutOrStdout(), f, list, o)
	case f.mtu:
		return searchMTU(ctx, cmd.OutOrStdout(), f, list, o)
	}
	p, err := probe.New(list, o)
	if err != nil {
		return pingFailure(err, list, cmd.OutOrStdout())
	}
	defer p.Close()
	s := &pingSession{flags: f, prober: p, out: cmd.OutOrStdout(), in: cmd.InOrStdin()}
	if f.report != "" {
		s.history = new(report.History)
		// Now, since a name that cannot be written is to be known before the run and not after it.
		if s.page, err = os.Create(f.report); err != nil {
			return &exitError{pingSystem, err}
		}
		defer s.page.Close() // again, for the ways out before the page is written
	}
	return s.run(ctx, cmd.ErrOrStderr())
}

// pingFailure says why nothing could be probed.
func pingFailure(err error, list []probe.Target, out io.Writer) error {
	var denied *probe.PermissionError
	switch {
	case errors.As(err, &denied):
		return &exitError{pingSystem, denied}
	case errors.Is(err, probe.ErrNoTargets):
		for _, t := range list {
			if t.Err != nil {
				fmt.Fprintf(out, "%s : %v\n", t.Name, t.Err)
			}
		}
		for _, t := range list {
			if t.Err == nil { // it has an address, and this host no socket for it
				return &exitError{pingSystem, err}
			}
		}
		return &exitError{pingUnresolved, err}
	}
	var system *os.SyscallError
	if errors.As(err, &system) {
		return &exitError{pingSystem, err}
	}
	return pingUsageError("%w", err)
}

// pingSession is a run with its reports.
type pingSession struct {
	flags   *pingFlags
	prober  *probe.Prober
	history *report.History // if a page is to be written
	page    *os.File
	out     io.Writer
	in      io.Reader
}

func (s *pingSession) run(ctx context.Context, stderr io.Writer) error {
	if s.flags.listen != "" {
		addr, end, err := serveMetrics(s.flags.listen, s.prober)
		if err != nil {
			return &exitError{pingSystem, err}
		}
		defer end()
		fmt.Fprintf(stderr, "metrics: http://%s/metrics\n", addr)
	}
	table := s.table()
	if !s.flags.json && !s.flags.quiet && !table {
		if err := report.Opening(s.out, s.prober); err != nil {
			return &exitError{pingSystem, err}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finished := make(chan error, 1)
	go func() {
		finished <- s.prober.Run(ctx)
		cancel() // the table too
	}()
	if err := s.follow(ctx, cancel, table); err != nil {
		cancel()
		<-finished
		return &exitError{pingSystem, err}
	}
	if err := <-finished; err != nil {
		return &exitError{pingSystem, err}
	}
	return s.finish()
}

// follow reports until the prober or the user ends it.
func (s *pingSession) follow(ctx context.Context, cancel func(), table bool) error {
	periods := make(chan error, 1)
	go func() { periods <- s.periods(ctx, !table && !s.flags.quiet) }()
	if table {
		_, err := live.Run(ctx, s.in, s.out, func() *probe.Snapshot { return s.prober.Snapshot(probe.SnapshotOptions{Recent: true}) })
		cancel()
		if err != nil {
			<-periods
			return err
		}
	}
	err := <-periods
	if err != nil {
		cancel() // nobody reads any more
	}
	return err
}

// periods ends one every delay; the last, which is shorter, is not reported by itself.
func (s *pingSession) periods(ctx context.Context, write bool) error {
	t := time.NewTicker(time.Duration(s.flags.delay))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := s.period(write); err != nil {
			return err
		}
	}
}

func (s *pingSession) period(write bool) error {
	now := s.prober.Snapshot(probe.SnapshotOptions{EndPeriod: true})
	if s.history != nil {
		s.history.Add(now)
	}
	switch {
	case !write:
		return nil
	case s.flags.json:
		return report.JSON(s.out, now, false)
	}
	return report.Period(s.out, now)
}

// table reports whether the live table is shown: on a terminal, unless something else was asked for.
func (s *pingSession) table() bool {
	if s.flags.json || s.flags.plain || s.flags.quiet {
		return false
	}
	out, ok := s.out.(*os.File)
	return ok && term.IsTerminal(out.Fd())
}

// finish writes the summary and the page, and turns what was found into the exit status.
func (s *pingSession) finish() error {
	now := s.prober.Snapshot(probe.SnapshotOptions{EndPeriod: true})
	write := report.Summary
	if s.flags.json {
		write = func(w io.Writer, n *probe.Snapshot) error { return report.JSON(w, n, true) }
	}
	if err := write(s.out, now); err != nil {
		return &exitError{pingSystem, err}
	}
	if s.history != nil {
		s.history.Add(now)
		if err := errors.Join(report.Page(s.page, now, s.history), s.page.Close()); err != nil {
			return &exitError{pingSystem, err}
		}
	}
	return pingStatus(now)
}

func pingStatus(s *probe.Snapshot) error {
	status := 0
	for i := range s.Targets {
		t := &s.Targets[i]
		status = pathStatus(status, t.Target, t.Of(probe.Answered) > 0)
	}
	return statusError(status)
}

// serveMetrics answers Prometheus until end is called.
func serveMetrics(address string, p *probe.Prober) (addr string, end func(), err error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(report.NewCollector(func() *probe.Snapshot { return p.Snapshot(probe.SnapshotOptions{}) }))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }() // ends with Close
	return ln.Addr().String(), func() { _ = server.Close() }, nil
}
