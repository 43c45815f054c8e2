package headers

import (
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/proto/header"
)

// upstream answers with two fields, or not at all.
type upstream struct {
	seen   string
	silent bool
}

func (u *upstream) Handle(x *exchange.Exchange) error {
	u.seen = text(x.Request.Fields)
	if !u.silent {
		f := x.Respond(200, nil)
		f.Add("Server", []byte("origin"))
		f.Add("X-Y", []byte("z"))
	}
	return nil
}

func text(f *header.Fields) string {
	var b strings.Builder
	for name, value := range f.All() {
		b.WriteString(string(name) + ": " + string(value) + "\n")
	}
	return b.String()
}

func decode(t *testing.T, s string) (*Spec, string) {
	t.Helper()
	spec := new(Spec)
	if err := config.Decode("h.yaml", []byte(s), spec); err != nil {
		return spec, err.Error()
	}
	return spec, ""
}

func TestHeaders(t *testing.T) {
	for _, test := range []struct{ spec, request, response string }{
		{"{}", "A: 1\nB: 2\nA: 3\n", "Server: origin\nX-Y: z\n"},
		{"set: {a: x}", "a: x\nB: 2\n", "Server: origin\nX-Y: z\n"},
		{"set: {C: x}", "A: 1\nB: 2\nA: 3\nC: x\n", "Server: origin\nX-Y: z\n"},
		{"add: {A: x}", "A: 1\nB: 2\nA: 3\nA: x\n", "Server: origin\nX-Y: z\n"},
		{"remove: [a]", "B: 2\n", "Server: origin\nX-Y: z\n"},
		{"{remove: [A], set: {A: x}, add: {A: y}}", "B: 2\nA: x\nA: y\n", "Server: origin\nX-Y: z\n"},
		{"{set: {Z: '1', Y: '2'}}", "A: 1\nB: 2\nA: 3\nY: 2\nZ: 1\n", "Server: origin\nX-Y: z\n"},
		{"response: {set: {server: ringway}, remove: [x-y], add: {V: w}}", "A: 1\nB: 2\nA: 3\n", "server: ringway\nV: w\n"},
	} {
		spec, fault := decode(t, test.spec)
		if fault != "" {
			t.Fatal(fault)
		}
		u := &upstream{}
		c := filter.Chain{Filters: []filter.Filter{spec.New()}, End: u}
		var x exchange.Exchange
		x.Request.Fields = new(header.Fields)
		for _, f := range []string{"A1", "B2", "A3"} {
			x.Request.Fields.Add(f[:1], []byte(f[1:]))
		}
		if err := c.Handle(&x); err != nil {
			t.Fatal(err)
		}
		if got := text(x.Response.Fields); u.seen != test.request || got != test.response {
			t.Errorf("%s: the upstream saw\n%sthe client\n%s", test.spec, u.seen, got)
		}
		u.silent, x.Response = true, exchange.Response{}
		if err := c.Handle(&x); err != nil { // no response to change: must not fail
			t.Fatal(err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{"{set: {Host: a, X-A: 'b c'}, remove: [Host, Server]}", ""},
		{"set: {Content-Length: '1'}", "h.yaml:1:23: set.Content-Length: Content-Length belongs to the gateway: it says how this connection's messages are framed"},
		{"add: {transfer-encoding: chunked}", "h.yaml:1:26: add.transfer-encoding: transfer-encoding belongs to the gateway: it says how this connection's messages are framed"},
		{"response: {remove: [Connection]}", "h.yaml:1:21: response.remove[0]: Connection belongs to the gateway: it says how this connection's messages are framed"},
		{"add: {Host: a}", "h.yaml:1:13: add.Host: a request has one Host: set it instead"},
		{"set: {'X A': b}", `h.yaml:1:14: set["X A"]: "X A" is not a field name`},
		{`set: {X: "a\r\nY: b"}`, "h.yaml:1:10: set.X: the value of X holds a control character, or white space at an end"},
		{"set: {X: ' a'}", "h.yaml:1:10: set.X: the value of X holds a control character, or white space at an end"},
	} {
		if _, got := decode(t, test.spec); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.spec, got, test.want)
		}
	}
}
