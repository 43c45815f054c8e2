package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// TestNamesAreDistinct holds that -run and -peers mean one thing each, and that the results of two loads are not mixed.
func TestNamesAreDistinct(t *testing.T) {
	o := options{suite: suiteAll, driver: "both", caddy: true}
	seen := map[string]bool{}
	for _, name := range o.scenarioNames() {
		if seen[name] {
			t.Errorf("two scenarios are called %s", name)
		}
		seen[name] = true
	}
	seen = map[string]bool{}
	for _, f := range o.fields() {
		for _, p := range f.peers(o) {
			if seen[p.name] {
				t.Errorf("two peers are called %s", p.name)
			}
			seen[p.name] = true
			if p.check == nil {
				t.Errorf("nothing checks what %s serves", p.name)
			}
		}
	}
}

func TestSectionChoosesItsSubjects(t *testing.T) {
	subject := contender{peer: peer{name: "ringway", subject: true}}
	standIn := contender{peer: peer{name: "splice", standIn: true}}
	other := contender{peer: peer{name: "haproxy"}}
	o, err := parseOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		contenders []contender
		want       string
	}{
		{[]contender{other, standIn, subject}, "ringway"},
		{[]contender{other, standIn}, "splice"},
		{[]contender{other}, "haproxy"},
	} {
		s := newSection(o, field{loads: relayLoads()}, test.contenders)
		if got := strings.Join(s.subjects, ","); got != test.want || len(s.loads) != 1 {
			t.Errorf("subjects %s of %d loads, want %s of 1", got, len(s.loads), test.want)
		}
	}
}

// driveBench is a bench that can build what it needs.
func driveBench(t *testing.T) *bench {
	b, err := newBench(t.Context(), options{idleConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

// serve answers connections until the test ends.
func serve(t *testing.T, answer func(net.Conn)) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
			go answer(c)
		}
	}()
	return listener.Addr().String()
}

// TestCheckMessages holds that only a server which gives every byte back is measured.
func TestCheckMessages(t *testing.T) {
	b := driveBench(t)
	echo := func(change func([]byte)) func(net.Conn) {
		return func(c net.Conn) {
			defer c.Close()
			for p := make([]byte, echoSize); ; {
				n, err := c.Read(p)
				if err != nil {
					return
				}
				change(p[:n])
				if _, err := c.Write(p[:n]); err != nil {
					return
				}
			}
		}
	}
	tests := []struct {
		name   string
		answer func(net.Conn)
		ok     bool
	}{
		{"the same", echo(func([]byte) {}), true},
		{"one byte changed", echo(func(p []byte) { p[len(p)-1] ^= 1 }), false},
		{"the one before", echo(func(p []byte) { binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)-1) }), false},
		{"an end", func(c net.Conn) { c.Close() }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := checkEcho(t.Context(), b, serve(t, test.answer)); (err == nil) != test.ok {
				t.Errorf("checkEcho = %v", err)
			}
		})
	}
	if err := checkEcho(t.Context(), b, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "connect") {
		t.Errorf("a server that is not there: %v", err)
	}
}

// TestEchoIsMeasured puts every echo server under load, for an instant, and expects CPU time and messages.
func TestEchoIsMeasured(t *testing.T) {
	b := driveBench(t)
	for _, p := range echoPeers(b.options) {
		t.Run(p.name, func(t *testing.T) {
			binary, err := p.locate(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.start(t.Context(), contender{peer: p, binary: binary}, nil)
			if err != nil {
				if p.name == "loop-uring" && strings.Contains(err.Error(), "io_uring") {
					t.Skip("needs io_uring: ", err)
				}
				t.Fatal(err)
			}
			defer b.stop(r)
			cpu, result, err := b.exercise(t.Context(), r, echoLoads()[0], 200*time.Millisecond)
			for tries := 0; err == nil && cpu.user+cpu.system == 0 && tries < 10; tries++ { // the kernel counts in 10 ms
				cpu, result, err = b.exercise(t.Context(), r, echoLoads()[0], time.Second)
			}
			if err != nil || result.requests == 0 || cpu.user+cpu.system == 0 || result.p99 < result.p50 {
				t.Errorf("exercise = %+v, %+v, %v", cpu, result, err)
			}
		})
	}
}

// TestRelayIsMeasured has the relay of some lines pass blocks on, from the benchmark's own origin.
func TestRelayIsMeasured(t *testing.T) {
	b := driveBench(t)
	var err error
	if b.origin, err = startAnswers(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, p := range relayPeers(b.options) {
		if p.name != "splice-epoll" {
			continue
		}
		binary, err := p.locate(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.start(t.Context(), contender{peer: p, binary: binary}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.stop(r)
		_, result, err := b.exercise(t.Context(), r, relayLoads()[0], 300*time.Millisecond)
		if err != nil || result.requests == 0 {
			t.Errorf("exercise = %+v, %v", result, err)
		}
	}
}

// TestAbsentRelays holds that what cannot be measured here is told, not failed.
func TestAbsentRelays(t *testing.T) {
	b := driveBench(t)
	_, err := nginxStream("no-such-program")(context.Background(), b)
	if !errors.As(err, new(absentError)) {
		t.Errorf("nginx that is not there: %v", err)
	}
}
