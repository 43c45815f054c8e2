package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/observe/admin"
	"github.com/ringway/ringway/process"
)

// Hooks are what operators may ask of a gateway that only the process around it can do.
type Hooks struct {
	// Read reads the configuration file again; nil: there is none.
	Read func() (Source, error)
	// Reload carries a change out; nil: the gateway does it itself.
	Reload func(ctx context.Context, c Change) (Outcome, error)
	// Upgrade goes over to the program on disk; nil: that cannot be asked for.
	Upgrade func(ctx context.Context) error
	// Master tells of the process above this one; nil: there is none.
	Master func(ctx context.Context) (MasterStatus, error)
	// Drain begins to end the process; nil: that cannot be asked for.
	Drain func(ctx context.Context) error
}

// control is the gateway as the admin API operates it.
type control struct{ g *Gateway }

var _ admin.Control = control{}

// Version tells which build runs.
func (c control) Version() any { return c.g.version() }

// Status tells how the gateway is, and the process above it.
func (c control) Status(inDetail bool) any {
	s := c.g.Status()
	s.Master = c.g.masterStatus()
	if !inDetail {
		s.withoutDetail()
	}
	return s
}

// Listeners tells of the listeners.
func (c control) Listeners() any { return c.g.listenerStatus() }

// Clusters tells of the clusters.
func (c control) Clusters() any { return c.g.clusterStatus() }

// Certificates tells of certificates that come from authorities.
func (c control) Certificates(inDetail bool) any {
	all := c.g.certificateList()
	if !inDetail {
		all = withoutErrors(all)
	}
	return all
}

// Stalls tells what held loops.
func (c control) Stalls(inDetail bool) any {
	all := c.g.stallStatus()
	for i := range all {
		if !inDetail {
			all[i].Stack = ""
		}
	}
	return all
}

// Tasks tells what the loops do.
func (c control) Tasks() any { return c.g.taskStatus() }

// Config is the configuration as it was given.
func (c control) Config() admin.Config {
	s := c.g.current()
	return admin.Config{Name: s.plan.source.Name, Hash: s.plan.hash, Since: s.since, Text: string(s.plan.source.Text)}
}

// Effective is the configuration with its defaults.
func (c control) Effective() any { return config.Shown(c.g.Spec()) }

// Diff tells how a configuration differs from the one that runs.
func (c control) Diff(ctx context.Context, text []byte) (admin.Result, error) {
	return c.change(ctx, Change{Source: Source{"request", text}, Preview: true})
}

// Apply goes over to a configuration.
func (c control) Apply(ctx context.Context, text []byte, ifHash string) (admin.Result, error) {
	return c.change(ctx, Change{Source: Source{"request", text}, IfHash: ifHash})
}

// Reload goes over to what the file says now.
func (c control) Reload(ctx context.Context, preview bool, ifHash string) (admin.Result, error) {
	read := c.g.options.Hooks.Read
	if read == nil {
		return admin.Result{}, admin.Refuse(http.StatusConflict, "no_file", "the gateway was started without a configuration file: there is nothing to read again")
	}
	source, err := read()
	if err != nil {
		return admin.Result{}, admin.Refuse(http.StatusConflict, "unreadable", "%v; nothing has changed", err)
	}
	return c.change(ctx, Change{Source: source, Preview: preview, IfHash: ifHash})
}

// change carries a change out, or has it carried out.
func (c control) change(ctx context.Context, to Change) (admin.Result, error) {
	reload := c.g.options.Hooks.Reload
	if reload == nil || to.Preview {
		reload = c.g.Reload
	}
	o, err := reload(ctx, to)
	if err != nil {
		return admin.Result{}, refusal(err)
	}
	r := admin.Result{Hash: o.Hash, Changes: o.Changes, Diff: o.Diff(), Applied: !to.Preview}
	if r.Changes == nil {
		r.Changes = []config.Change{} // a list in JSON, too
	}
	return r, nil
}

// SetWeight gives an endpoint another weight.
func (c control) SetWeight(ctx context.Context, cluster, endpoint string, weight *int) error {
	if err := c.g.SetWeight(ctx, cluster, endpoint, weight); err != nil {
		return refusal(err)
	}
	return nil
}

// Upgrade goes over to the program that is on disk.
func (c control) Upgrade(ctx context.Context) error {
	upgrade := c.g.options.Hooks.Upgrade
	if upgrade == nil {
		return admin.Refuse(http.StatusConflict, "not_here", "this gateway runs without a master, which alone can replace the program")
	}
	err := upgrade(ctx)
	switch {
	case err == nil:
		return nil
	case process.IsState(err):
		return admin.Refuse(http.StatusConflict, "not_now", "%v", err)
	}
	return admin.Refuse(http.StatusConflict, "not_upgraded", "%v; the old program serves as before", err)
}

// Drain begins to end the process.
func (c control) Drain(ctx context.Context) error {
	switch drain := c.g.options.Hooks.Drain; {
	case drain == nil:
		return admin.Refuse(http.StatusConflict, "not_here", "what runs this gateway decides when it ends")
	case c.g.draining.Load():
		return refusal(ErrDraining)
	default:
		return drain(ctx)
	}
}

// refusal is how the API answers an error of a change. Whatever it is, nothing has changed.
func refusal(err error) error {
	var faults config.Errors
	var hash *HashError
	var restart *RestartError
	var unknown *UnknownError
	var weight *WeightError
	switch {
	case errors.As(err, &faults):
		return admin.RefuseConfig(faults)
	case errors.As(err, &hash):
		return admin.Refuse(http.StatusPreconditionFailed, "precondition_failed", "%v", err)
	case errors.As(err, &restart):
		return admin.Refuse(http.StatusConflict, "restart_needed", "%v; nothing has changed", err)
	case errors.As(err, &unknown):
		return admin.Refuse(http.StatusNotFound, "not_found", "%v", err)
	case errors.As(err, &weight):
		return admin.Refuse(http.StatusUnprocessableEntity, "bad_weight", "%v", err)
	case errors.Is(err, ErrDraining):
		return admin.Refuse(http.StatusConflict, "draining", "%v", err)
	}
	return admin.Refuse(http.StatusConflict, "not_applied", "%v; nothing has changed", err)
}
