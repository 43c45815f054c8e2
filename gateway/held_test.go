package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/sys"
)

// TestHeldAdmin: nor are operators answered by a gateway that is held.
func TestHeldAdmin(t *testing.T) {
	spec, err := Load("test.yaml", []byte("listeners: {in: {address: '127.0.0.1:0', routes: [{filters: [{respond: {}}]}]}}\nadmin: {address: '127.0.0.1:0'}\nruntime: {driver: epoll, loops: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := Start(context.Background(), spec, Options{Log: slog.New(slog.DiscardHandler), Version: "test", Held: true, Listen: func(_ context.Context, all []Wanted) (got []Socket, err error) {
		for _, w := range all {
			fd, at, err := conn.OpenListener(sys.KernelSockets{}, conn.ListenConfig{Address: w.Address, Backlog: w.Backlog}, true)
			if err != nil {
				return nil, err
			}
			got = append(got, Socket{ListenerKey: w.ListenerKey, Bound: at.String(), Fd: fd})
		}
		return got, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Drain(context.Background()) }()
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + g.AdminAddr() + "/healthz")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	select {
	case <-answered:
		t.Fatal("it was answered while held")
	case <-time.After(50 * time.Millisecond):
	}
	if err := g.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestHeldStart: a gateway that is held accepts nothing, whoever asks waits in the queue, and is served once it resumes. To resume
// again changes nothing.
func TestHeldStart(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		spec, err := Load("test.yaml", []byte("listeners: {in: {address: '127.0.0.1:0', routes: [{filters: [{respond: {status: 200, body: here}}]}]}}\nruntime: {driver: "+string(d)+", loops: 2}\n"))
		if err != nil {
			t.Fatal(err)
		}
		g, err := Start(context.Background(), spec, Options{Log: slog.New(slog.DiscardHandler), Version: "test", Held: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = g.Drain(context.Background()) }()
		c, err := net.Dial("tcp", g.Addr("in"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n > 0 {
			t.Fatalf("it was served while held (%v)", err)
		}
		if u, _ := g.Usage(); u.Open != 0 {
			t.Errorf("%d connections were accepted while held", u.Open)
		}
		for range 2 {
			if err := g.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 512)); n == 0 {
			t.Fatalf("it is not served: %v", err)
		}
		for i := range 8 {
			resp, err := http.Get("http://" + g.Addr("in"))
			if err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			_ = resp.Body.Close()
		}
		http.DefaultClient.CloseIdleConnections()
	})
}
