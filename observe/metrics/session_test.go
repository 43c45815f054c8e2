package metrics

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ringway/ringway/errs"
)

func TestSessionEndsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for e := range sessionEnds {
		name := e.String()
		if name == "" || seen[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("end %d is named %q", e, name)
		}
		seen[name] = true
	}
	if got := sessionEnds.String(); got != "internal" {
		t.Errorf("an unknown end is %q", got)
	}
}

func TestSessionEndOfAnError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want SessionEnd
	}{
		{errs.New(errs.UpstreamConnectRefused, "connect"), SessionRefused},
		{errs.From(errs.UpstreamConnectTimeout, errors.New("x"), "connect"), SessionUpstreamLate},
		{fmt.Errorf("session: %w", errs.New(errs.Overloaded, "connect")), SessionOverloaded},
		{errs.New(errs.ClientClosed, "the client has left"), ClientClosed},
		{errs.New(errs.BadRequest, "not one of these"), SessionFailed},
		{errors.New("no code at all"), SessionFailed},
	} {
		if got := SessionEndOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// A listener of layer 4 shows every end from its start, and nothing of requests; one of layer 7 only what came about.
func TestSessionSeries(t *testing.T) {
	var db, web ListenerCounters
	db.Sessions.Layer4 = true
	db.Sessions.Ends[Finished] = 2
	db.Sessions.Duration.Observe(1)
	web.Sessions.Ends[UntrustedProxy] = 1
	text := scrape(t, func() Snapshot { return Snapshot{Listeners: []Listener{{"db", db}, {"db", db}, {"web", web}}} })
	wantLines(t, text,
		`ringway_listener_sessions_total{end="finished",listener="db"} 4`,
		`ringway_listener_sessions_total{end="client_reset",listener="db"} 0`,
		`ringway_listener_sessions_total{end="untrusted_proxy",listener="web"} 1`,
		`ringway_listener_session_duration_seconds_count{listener="db"} 2`)
	for _, absent := range []string{
		`ringway_listener_sessions_total{end="finished",listener="web"}`,
		`ringway_listener_requests_total{code_class="2xx",listener="db"}`,
		`ringway_listener_session_duration_seconds_count{listener="web"}`,
	} {
		if strings.Contains(text, absent) {
			t.Errorf("there is %s", absent)
		}
	}
}
