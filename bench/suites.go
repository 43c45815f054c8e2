package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// The suites -suite chooses from.
const (
	suiteAll     = "all"
	suiteGateway = "gateway"
	suiteRuntime = "runtime"
)

// field is peers that are put under the same loads.
type field struct {
	suite string
	// what names such a peer when none is found.
	what  string
	peers func(options) []peer
	loads []load
	// origin starts what the peers forward to; nil for those that answer.
	origin func(context.Context, *bench) (addr string, err error)
	// idle, tail and burst name the scenarios of connections at rest, of requests beside handshakes, and beside many that begin at
	// once; empty for none.
	idle, tail, burst string
}

// fields are those of the suite asked for, in the order they are run.
func (o options) fields() []field {
	bodies := func(ctx context.Context, b *bench) (string, error) { return b.startOrigin(ctx) }
	all := []field{
		{suite: suiteGateway, what: "proxy", peers: allPeers, loads: allLoads(), origin: bodies, idle: idleScenario},
		{suite: suiteTLS, what: "proxy with TLS", peers: tlsPeers, loads: tlsLoads(), origin: bodies, idle: tlsIdleScenario, tail: tailScenario, burst: burstScenario},
		{suite: suiteHTTP2, what: "proxy with HTTP/2", peers: http2Peers, loads: http2Loads(), origin: bodies},
		{suite: suiteGRPC, what: "proxy for gRPC", peers: grpcPeers, loads: grpcLoads(), origin: startGRPC},
		{suite: suiteRuntime, what: "echo server", peers: echoPeers, loads: echoLoads()},
		{suite: suiteRuntime, what: "relay", peers: relayPeers, loads: relayLoads(), origin: startAnswers},
	}
	var asked []field
	for _, f := range all {
		if o.suite == suiteAll || o.suite == f.suite {
			asked = append(asked, f)
		}
	}
	return asked
}

// notes stand under the headings of tables that need one.
var notes = map[string]string{
	groupTLSSmall: "To reach: 0.80 of nginx's CPU and 0.68 of HAProxy's.",
	groupTLSFresh: "To reach: what nginx needs.",
	groupTLSHandshakes: "To reach: what nginx needs, with the same group for the key exchange. The clients offer the groups that a line names, the first\n" +
		"preferred, and the line below the table says which one each proxy took.",
	groupHTTP2Small: "To reach, with 16 connections: 0.85 of nginx's CPU and 0.68 of HAProxy's.",
	groupGRPC:       "To reach: 0.25 of Caddy's CPU.",
	groupEcho:       "To reach: 0.9 of gnet's CPU and 0.6 of the net package's, which has one processor here (GOMAXPROCS=1): the way it is cheapest.",
	groupRelay: "To reach: 0.8 of HAProxy's CPU in TCP mode. splice-* is a relay of some lines on the same loop (bench/bare -splice);\n" +
		"ringway-tcp-* is the gateway with protocol: tcp, where this tree has it.",
}

// Headings of the runtime's tables.
const (
	groupEcho  = "Echo of 128-byte messages, one in flight on each connection"
	groupRelay = "TCP relay of 1 MiB blocks"
)

// Sizes of messages.
const (
	echoSize  = 128
	askSize   = 8
	blockSize = 1 << 20
)

// echoLoads have one message in flight on each connection.
func echoLoads() []load {
	echoed := &messages{unit: "message", send: echoSize, receive: echoSize}
	return []load{
		{name: "echo-64", group: groupEcho, label: "64 connections", conns: 64, messages: echoed},
		{name: "echo-1024", group: groupEcho, label: "1,024 connections", conns: 1024, messages: echoed},
	}
}

// relayLoads ask for one block after the other on each connection.
func relayLoads() []load {
	blocks := &messages{unit: "block", send: askSize, receive: blockSize}
	return []load{{name: "relay-16", group: groupRelay, label: "16 connections", conns: 16, messages: blocks}}
}

// echoPeers are servers with one thread that does the work. Go's scheduler
// has processors more where a loop holds one, as loop.SetMaxProcs says; the
// net package, whose goroutines share them, is cheapest with one.
func echoPeers(options) []peer {
	echo := func(name, procs string, subject bool, args ...string) peer {
		return peer{
			name: name, locate: built("./bench/echo"), subject: subject, check: checkEcho,
			args: func(s site) []string { return append(args, "-listen", s.Listen) },
			env:  []string{"GOMAXPROCS=" + procs},
		}
	}
	gnet := echo("gnet", "2", false, "-server", "gnet")
	gnet.version = dependencyVersion("github.com/panjf2000/gnet/v2")
	return []peer{
		echo("loop-uring", "2", true, "-server", "loop", "-driver", "uring"),
		echo("loop-epoll", "2", true, "-server", "loop", "-driver", "epoll"),
		gnet,
		echo("net", "1", false, "-server", "net"),
	}
}

// relayPeers forward a TCP connection without reading it.
func relayPeers(o options) []peer {
	haproxy := func(name, option string) peer {
		return peer{
			name: name, locate: installed(o.haproxy, "haproxy"), version: printed("-v"), check: checkRelay,
			config: strings.ReplaceAll(haproxyRelayConfig, "OPTION", option),
			args:   func(s site) []string { return []string{"-db", "-q", "-f", s.File} },
		}
	}
	var all []peer
	for _, driver := range []string{"uring", "epoll"} {
		all = append(all, peer{
			name: "ringway-tcp-" + driver, locate: relaying, version: printed("version"), check: checkRelay, subject: true,
			config: strings.ReplaceAll(ringwayRelayConfig, "DRIVER", driver),
			args:   func(s site) []string { return []string{"run", "-c", s.File} },
		}, peer{
			name: "splice-" + driver, locate: built("./bench/bare"), check: checkRelay, standIn: true,
			args: func(s site) []string {
				return []string{"-splice", "-driver", driver, "-listen", s.Listen, "-to", s.Origin}
			},
		})
	}
	return append(all, haproxy("haproxy-tcp", ""), haproxy("haproxy-splice", "option splice-auto"), peer{
		name: "nginx-stream", locate: nginxStream(o.nginx), version: printed("-v"), check: checkRelay,
		config: nginxRelayConfig, args: nginxArgs,
	})
}

// relaying builds Ringway and asks it whether it has TCP listeners.
func relaying(ctx context.Context, b *bench) (string, error) {
	binary, err := built("./cmd/ringway")(ctx, b)
	if err != nil {
		return "", err
	}
	s := site{File: filepath.Join(b.data, "relay.yaml"), Listen: "127.0.0.1:1", Origin: "127.0.0.1:2"}
	if err := s.write(strings.ReplaceAll(ringwayRelayConfig, "DRIVER", "auto")); err != nil {
		return "", err
	}
	if _, err := output(ctx, "", nil, binary, "check", "-c", s.File); err != nil {
		return "", absentError{"protocol: tcp", "this tree refuses it: " + firstLine(err)}
	}
	return binary, nil
}

// nginxStream finds an nginx that has the stream module.
func nginxStream(program string) func(context.Context, *bench) (string, error) {
	return func(ctx context.Context, b *bench) (string, error) {
		binary, err := installed(program, "nginx")(ctx, b)
		if err != nil {
			return "", err
		}
		s := site{Dir: b.data, File: filepath.Join(b.data, "stream.conf"), Listen: "127.0.0.1:1", Origin: "127.0.0.1:2", MaxConns: 1}
		if err := s.write(nginxRelayConfig); err != nil {
			return "", err
		}
		if _, err := output(ctx, "", nil, binary, "-t", "-p", b.data, "-c", s.File); err != nil {
			return "", absentError{"nginx's stream module", "install the package libnginx-mod-stream, or nginx-mod-stream"}
		}
		return binary, nil
	}
}

// startAnswers starts the origin of the relays.
func startAnswers(ctx context.Context, b *bench) (addr string, err error) {
	binary, err := built("./bench/messages")(ctx, b)
	if err != nil {
		return "", err
	}
	p, err := b.start(ctx, contender{binary: binary, peer: peer{
		name: "answers", check: checkRelay, beside: true,
		args: func(s site) []string {
			return []string{"answer", "-listen", s.Listen, "-receive", fmt.Sprint(askSize), "-send", fmt.Sprint(blockSize)}
		},
	}}, nil)
	if err != nil {
		return "", err
	}
	return p.addr, nil
}

// checkEcho demands that a message comes back.
func checkEcho(ctx context.Context, b *bench, addr string) error {
	return b.checkMessages(ctx, addr, echoLoads()[0])
}

// checkRelay demands a block as the origin sends it.
func checkRelay(ctx context.Context, b *bench, addr string) error {
	return b.checkMessages(ctx, addr, relayLoads()[0])
}

// checkMessages makes some exchanges on one connection, all of whose bytes are compared.
func (b *bench) checkMessages(ctx context.Context, addr string, l load) error {
	l.conns = 1
	d, err := b.startDrive(ctx, addr, l, 20*time.Millisecond)
	if err != nil {
		return err
	}
	defer d.end()
	_, err = d.result()
	return err
}
