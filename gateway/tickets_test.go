package gateway

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/process"
)

// TestTakeTickets: keys of another worker are taken as they are, and what cannot be keys, or is for nobody here, is refused and changes
// nothing.
func TestTakeTickets(t *testing.T) {
	spec := &secure.Spec{Tickets: secure.TicketSpec{Enabled: true}}
	server := func(spec *secure.Spec) *secure.Server {
		s, err := secure.NewServer(spec, secure.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	spec.Tickets.SetDefaults()
	without := *spec
	without.Tickets.Enabled = false
	web := server(spec)
	p := &plan{secure: map[string]*secure.Server{"web": web, "without": server(&without)}}
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	keys := func(n int) string {
		return fmt.Sprintf(`{"keys": [%s]}`, strings.Trim(strings.Repeat(`,"`+key+`"`, n), ","))
	}
	before := web.Tickets()
	for _, c := range []struct {
		listener, state string
		fds             []int
	}{
		{"web", "", nil}, {"web", "{}", nil}, {"web", keys(0), nil}, {"web", keys(4), nil}, {"web", `{"keys": ["AAAA"]}`, nil}, {"web", `{"keys": [7]}`, nil},
		{"web", keys(1), []int{-1}}, {"other", keys(1), nil}, {"without", keys(1), nil},
	} {
		if err := p.takeTickets(process.Connection{Kind: handover.Tickets, Listener: c.listener, State: []byte(c.state), Fds: c.fds}); err == nil {
			t.Errorf("%s of %s is taken", c.state, c.listener)
		}
	}
	if web.Tickets() != before {
		t.Error("what was refused has changed the keys")
	}
	state := fmt.Sprintf(`{"keys": [%q, %q], "age": %d, "newer": 1}`, key, key, time.Hour)
	if err := p.takeTickets(process.Connection{Kind: handover.Tickets, Listener: "web", State: []byte(state)}); err != nil {
		t.Fatal(err)
	}
	if now := web.Tickets(); len(now.Keys) != 2 || string(now.Keys[0][:]) != strings.Repeat("k", 32) || time.Since(now.Since).Round(time.Minute) != time.Hour {
		t.Errorf("%+v", now)
	}
}
