package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ringway/ringway/config"
)

// Control is the gateway as operators see and change it. Its methods are called on ordinary goroutines, several at a time. What
// they give is written by encoding/json; what they refuse is a [Refusal], and any other error is the gateway's own fault.
type Control interface {
	// Version, Status, Listeners, Clusters, Certificates, Stalls and Tasks tell; they change nothing. Who asks and might not change
	// anything is not told in detail: stacks, and texts of errors that come from elsewhere, may hold what is not for everybody.
	Version() any
	Status(inDetail bool) any
	Listeners() any
	Clusters() any
	Certificates(inDetail bool) any
	Stalls(inDetail bool) any
	Tasks() any
	// Config is the configuration that runs; Effective is the same with its defaults, and without its secrets.
	Config() Config
	Effective() any
	// Diff tells how a configuration differs from the one that runs.
	Diff(ctx context.Context, text []byte) (Result, error)
	// Apply goes over to a configuration, if the one that runs has the given hash; empty for any.
	Apply(ctx context.Context, text []byte, ifHash string) (Result, error)
	// Reload reads the file again and goes over to what it says now. A preview only tells what would change.
	Reload(ctx context.Context, preview bool, ifHash string) (Result, error)
	// SetWeight gives an endpoint another weight, 0 to drain it, and the configuration's own when it is nil.
	SetWeight(ctx context.Context, cluster, endpoint string, weight *int) error
	// Upgrade goes over to the program that is on disk. It returns when the new one serves, or with the reason why the old one does.
	Upgrade(ctx context.Context) error
	// Drain begins to end the process when everything in flight has finished.
	Drain(ctx context.Context) error
}

// Config is a configuration as it was given.
type Config struct {
	Name  string    `json:"name"`  // of the file
	Hash  string    `json:"hash"`  // SHA-256 of the text, which is the ETag too
	Since time.Time `json:"since"` // when it came into force
	Text  string    `json:"text"`
}

// Result is what a change of the configuration came to, or would.
type Result struct {
	Hash    string          `json:"hash"` // of the configuration that runs now
	Changes []config.Change `json:"changes"`
	Diff    string          `json:"diff"` // the changes for people, a line each
	Applied bool            `json:"applied"`
}

// Refusal is why an operation was not done, and how the API answers it.
type Refusal struct {
	Status int
	Code   string // for programs
	Detail string // for people
	Faults []Fault
}

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
	Path       string `json:"path,omitempty"`
	Problem    string `json:"problem"`
	Suggestion string `json:"suggestion,omitempty"`
}

// Error is the detail.
func (r *Refusal) Error() string { return r.Detail }

// Refuse makes a Refusal.
func Refuse(status int, code, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// RefuseConfig makes the Refusal of a configuration with faults.
func RefuseConfig(faults config.Errors) *Refusal {
	r := Refuse(http.StatusUnprocessableEntity, "invalid_config", "the configuration has %d faults; nothing has changed", len(faults))
	for _, e := range faults {
		r.Faults = append(r.Faults, Fault{e.File, e.Line, e.Column, e.Path, e.Problem, e.Suggestion})
	}
	return r
}
