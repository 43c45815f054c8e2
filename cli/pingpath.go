package cli

import (
	"context"
	"io"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/probe/report"
)

// trace finds the ways to all targets and prints them.
func trace(ctx context.Context, out io.Writer, f *pingFlags, list []probe.Target, o probe.Options) error {
	if !f.paced {
		o.Interval = 0 // the trace's own
	}
	paths, err := probe.Trace(ctx, list, o, probe.TraceOptions{MaxHops: f.maxHops})
	if err != nil {
		return pingFailure(err, list, out)
	}
	write := report.Paths
	if f.json {
		write = report.PathsJSON
	}
	if err := write(out, paths); err != nil {
		return &exitError{pingSystem, err}
	}
	status := 0
	for _, p := range paths {
		status = pathStatus(status, p.Target, p.Reached)
	}
	return statusError(status)
}

// searchMTU finds the path MTU of all targets and prints it.
func searchMTU(ctx context.Context, out io.Writer, f *pingFlags, list []probe.Target, o probe.Options) error {
	found, err := probe.SearchMTU(ctx, list, o)
	if err != nil {
		return pingFailure(err, list, out)
	}
	write := report.MTUs
	if f.json {
		write = report.MTUsJSON
	}
	if err := write(out, found); err != nil {
		return &exitError{pingSystem, err}
	}
	status := 0
	for _, m := range found {
		status = pathStatus(status, m.Target, m.MTU > 0)
	}
	return statusError(status)
}

// pathStatus is the worse of a status and what one target's result means: no address is worse than no answer.
func pathStatus(status int, t probe.Target, reached bool) int {
	switch {
	case t.Err != nil:
		return pingUnresolved
	case !reached && status == 0:
		return pingUnreachable
	}
	return status
}

// statusError ends the program with that status, without another word.
func statusError(status int) error {
	if status == 0 {
		return nil
	}
	return &exitError{status, nil}
}
