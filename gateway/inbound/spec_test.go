package inbound

import (
	"testing"

	"github.com/ringway/ringway/config"
)

func TestValidate(t *testing.T) {
	const routes = "routes: [{cluster: c}]"
	for _, test := range []struct{ text, want string }{
		{"{address: '127.0.0.1:80', " + routes + "}", ""},
		{"{address: ':80', " + routes + "}", ""},
		{"{address: 'unix:/run/x', " + routes + "}", ""},
		{"{address: 'localhost:80', " + routes + "}", "l.yaml:1:11: address: not an address to listen on: want ip:port, :port or unix:/path, as 127.0.0.1:8080"},
		{"{address: ':99999', " + routes + "}", "l.yaml:1:11: address: not an address to listen on: want ip:port, :port or unix:/path, as 127.0.0.1:8080"},
		{"{address: 'unix:', " + routes + "}", "l.yaml:1:11: address: the path of a Unix socket has 1 to 107 bytes"},
		{"{address: ':80', routes: []}", "l.yaml:1:26: routes: a listener needs at least one route"},
		{"{address: ':80', routes: [{name: a, cluster: c}, {name: a, cluster: c}]}", `l.yaml:1:57: routes[1].name: another route of this listener is named "a"`},
		{"{address: ':80', " + routes + ", backlog: 0}", "l.yaml:1:51: backlog: backlog is 1 to 65536"},
		{"{address: ':80', " + routes + ", protocol: tcp}", `l.yaml:1:52: protocol: expected one of http, found "tcp"`},
		{"{address: ':80', " + routes + ", half_close: maybe}", `l.yaml:1:54: half_close: expected one of cancel, finish, found "maybe"`},
		{"{address: ':80', " + routes + ", limits: {head: 65KiB}}", "l.yaml:1:57: limits.head: a head is limited to 1KiB at least and 64KiB at most"},
		{"{address: ':80', " + routes + ", limits: {head: 4KiB, line: 5KiB}}", "l.yaml:1:69: limits.line: a line is limited to 256 bytes at least and the size of a head at most"},
		{"{address: ':80', " + routes + ", limits: {fields: 0}}", "l.yaml:1:59: limits.fields: fields is 1 to 10000"},
		{"{address: ':80', " + routes + ", limits: {connections: 0}}", "l.yaml:1:64: limits.connections: at least one connection must be allowed"},
		{"{address: ':80', " + routes + ", limits: {requests_per_connection: -1}}", "l.yaml:1:76: limits.requests_per_connection: a bound is not negative"},
	} {
		got := ""
		if err := config.Decode("l.yaml", []byte(test.text), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}
