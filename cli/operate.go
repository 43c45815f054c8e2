package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/observe/admin"
)

const (
	// defaultAdmin is where the gateway of an example or a demo has its admin server.
	defaultAdmin = "127.0.0.1:9900"
	// tokenVariable has the admin token, which everybody could read on a command line.
	tokenVariable = "RINGWAY_ADMIN_TOKEN"
	// operateTimeout bounds what the gateway may take to answer.
	operateTimeout = 2 * time.Minute
)

// target is the gateway that a command is for.
type target struct{ file, address string }

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringVarP(&t.file, "config", "c", "", "configuration file of the gateway, to learn its admin address and token")
	c.Flags().StringVar(&t.address, "admin", "", "admin address of the gateway: HOST:PORT or unix:/path (default: the file's, or "+defaultAdmin+")")
}

// client finds the gateway: by the flag, the file, or where it is by default.
func (t *target) client() (*admin.Client, error) {
	address, token := t.address, config.Secret(os.Getenv(tokenVariable))
	if t.file != "" {
		spec, err := readPart(t.file, gateway.LoadAdmin)
		if err != nil {
			return nil, err
		}
		if address == "" {
			address = spec.Address
		}
		if address == "" {
			if err := readFaults(t.file); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("%s has no admin server: set admin.address, for example unix:/run/ringway/admin.sock", t.file)
		}
		if token == "" {
			token = spec.Token
		}
	}
	if address == "" {
		address = defaultAdmin
	}
	return admin.NewClient(address, token), nil
}

// operate runs f with a client of the gateway. The faults of a refused configuration are told like those of a file.
func (t *target) operate(f func(ctx context.Context, c *admin.Client) error) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), operateTimeout)
	defer cancel()
	err = f(ctx, c)
	var refused *admin.Refusal
	if !errors.As(err, &refused) || len(refused.Faults) == 0 {
		return err
	}
	var faults config.Errors
	for _, f := range refused.Faults {
		faults = append(faults, &config.Error{File: f.File, Line: f.Line, Column: f.Column, Path: f.Path, Problem: f.Problem, Suggestion: f.Suggestion})
	}
	return faults
}

func statusCommand() *cobra.Command {
	var to target
	var asJSON bool
	c := &cobra.Command{
		Use:     "status",
		Short:   "Tell how the gateway that runs is",
		Example: "  ringway status -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return to.operate(func(ctx context.Context, c *admin.Client) error {
				text, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					_, err = cmd.OutOrStdout().Write(text)
					return err
				}
				var s gateway.Status
				if err := json.Unmarshal(text, &s); err != nil {
					return err
				}
				printStatus(cmd.OutOrStdout(), &s)
				return nil
			})
		},
	}
	to.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

func printStatus(w io.Writer, s *gateway.Status) {
	state := s.State
	if s.Reason != "" {
		state += " (" + s.Reason + ")"
	}
	fmt.Fprintf(w, "state        %s, pid %d, up %v\n", state, s.PID, time.Since(s.Started).Round(time.Second))
	fmt.Fprintf(w, "version      %s, driver %s\n", s.Version, s.Driver)
	fmt.Fprintf(w, "config       %s, %.12s, in force since %s\n", s.Config.Name, s.Config.Hash, s.Config.Since.Local().Format(time.DateTime))
	fmt.Fprintf(w, "listeners    %d, clusters %d\n", s.Listeners, s.Clusters)
	fmt.Fprintf(w, "connections  %d, requests %d, sessions %d\n", s.Connections, s.Requests, s.Sessions)
	stalls := uint64(0)
	for _, l := range s.Loops {
		stalls += l.Stalls
	}
	fmt.Fprintf(w, "loops        %d, stalls %d", len(s.Loops)-s.Retiring, stalls)
	if s.Retiring > 0 {
		fmt.Fprintf(w, ", and %d that end with their last connection", s.Retiring)
	}
	fmt.Fprintln(w)
	printHealth(w, s.Health)
	if s.Certificates != nil {
		printCertificates(w, s.Certificates)
	}
	if s.Master != nil {
		printMaster(w, s.Master)
	}
}

// healthLines is how many endpoints of a cluster are told of for people; the API tells of all.
const healthLines = 20

// printHealth tells of the endpoints of clusters that are checked. Of many, those that are well are left out first.
func printHealth(w io.Writer, all []gateway.ClusterHealth) {
	for _, c := range all {
		fmt.Fprintf(w, "cluster      %s, %d of %d endpoints healthy", c.Cluster, c.Healthy, c.Endpoints)
		if c.Panic {
			fmt.Fprint(w, ": too few, all are used")
		}
		fmt.Fprintln(w)
		shown := 0
		for _, e := range c.Each {
			if shown == healthLines || len(c.Each) > healthLines && e.State == "healthy" && e.Share == 100 {
				continue
			}
			shown++
			fmt.Fprintf(w, "  %s: %s for %v", e.Address, e.State, time.Since(e.Since).Round(time.Second))
			if e.Reason != "" {
				fmt.Fprintf(w, " (%s)", e.Reason)
			}
			fmt.Fprintf(w, ", gets %d%% of its weight\n", e.Share)
			for _, k := range e.Checks {
				at := func(seconds float64) time.Duration {
					return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
				}
				fmt.Fprintf(w, "    %s: %v smoothed, p50 %v, p99 %v, loss %.1f%% of %d\n", k.Kind, at(k.Smoothed), at(k.P50), at(k.P99), 100*k.Loss, k.Window)
			}
		}
		if more := len(c.Each) - shown; more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
}

// printCertificates tells of the names whose certificates an authority gives, and of each that is in trouble.
func printCertificates(w io.Writer, c *gateway.CertificateStatus) {
	fmt.Fprintf(w, "certificates %d of %d names valid", c.Valid, c.Names)
	if !c.Expires.IsZero() {
		fmt.Fprintf(w, ", the first runs out on %s", c.Expires.Local().Format(time.DateTime))
	}
	fmt.Fprintln(w)
	for _, n := range c.Troubled {
		fmt.Fprintf(w, "  %s: %s", n.Name, n.State)
		if n.Error != "" {
			fmt.Fprintf(w, " after %d tries: %s", n.Tries, n.Error)
		}
		if !n.Next.IsZero() {
			fmt.Fprintf(w, "; next try in %v", time.Until(n.Next).Round(time.Second))
		}
		fmt.Fprintln(w)
	}
	if more := c.Names - c.Valid - len(c.Troubled); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// What is printed of crashes; --json has all.
const (
	printedCrashes = 3
	printedStack   = 12 // lines
)

func printMaster(w io.Writer, m *gateway.MasterStatus) {
	fmt.Fprintf(w, "master       %s, pid %d, up %v\n", m.Phase, m.PID, time.Since(m.Started).Round(time.Second))
	for _, k := range m.Workers {
		if k.State != "ready" {
			fmt.Fprintf(w, "worker %-5d %s for %v, pid %d, %s\n", k.ID, k.State, time.Since(k.Since).Round(time.Second), k.PID, k.Product)
		}
	}
	if m.LastFailure != "" {
		fmt.Fprintf(w, "not done     %s\n", m.LastFailure)
	}
	fmt.Fprintf(w, "crashes      %d\n", len(m.Crashes))
	for _, c := range m.Crashes[max(0, len(m.Crashes)-printedCrashes):] {
		fmt.Fprintf(w, "  %s worker %d, pid %d, config %.12s: %s\n", c.Time.Local().Format(time.DateTime), c.Worker, c.PID, c.ConfigHash, c.Reason)
		lines := strings.Split(strings.TrimSpace(c.Stack), "\n")
		for _, line := range lines[:min(len(lines), printedStack)] {
			if line != "" {
				fmt.Fprintf(w, "    %s\n", line)
			}
		}
	}
}

func reloadCommand() *cobra.Command {
	var to target
	var preview bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the gateway that runs read its configuration file again, and print what changed",
		Long: "Has the gateway that runs read its configuration file again, and prints what changed: + for what was added, - removed,\n" +
			"~ changed. A configuration that cannot be used changes nothing, and it is said why.",
		Example: "  ringway reload -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return to.operate(func(ctx context.Context, c *admin.Client) error {
				r, err := c.Reload(ctx, preview)
				if err == nil {
					printDiff(cmd.OutOrStdout(), r.Diff)
				}
				return err
			})
		},
	}
	to.flags(c)
	c.Flags().BoolVar(&preview, "preview", false, "only print what would change")
	return c
}

func printDiff(w io.Writer, diff string) {
	if diff == "" {
		diff = "nothing differs\n"
	}
	fmt.Fprint(w, diff)
}
