package conn

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// TestSelectOverConnections waits for the first of two connections, a time and a message.
func TestSelectOverConnections(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, peerA := e.pair(t)
			b, peerB := e.unixPair(t)
			messages := loop.NewChan[int](1)
			onA, onB, recv, late := Readable(a), Readable(b), messages.RecvCase(), loop.After(2*time.Millisecond)
			next := func() int { return got(loop.Select(t, onA, onB, recv, late)) }
			if i := next(); i != 3 {
				failf("case %d when nothing had happened", i)
			}
			late = loop.After(patience)
			got(peerA.Write([]byte("a")))
			if i := next(); i != 0 {
				failf("case %d when a had bytes", i)
			}
			readText(a, "a", false)
			h := e.spawn("peer", func(*loop.Task) { got(peerB.Write([]byte("b"))) })
			if i := next(); i != 1 {
				failf("case %d when b got bytes", i)
			}
			join(t, h)
			readText(b, "b", false)
			e.spawn("sender", func(t *loop.Task) { must(messages.Send(t, 7)) })
			if i := next(); i != 2 || recv.Value != 7 {
				failf("case %d, %d", i, recv.Value)
			}
			e.spawn("ends", func(*loop.Task) { must(peerA.CloseWrite()) })
			if i := next(); i != 0 {
				failf("case %d at the end of a", i)
			}
			if _, err := a.ReadBuf(); err != io.EOF {
				failf("%v", err)
			}
			e.closeAll(t, a, b, peerA, peerB)
		})
	})
}

// TestSelectEndsEarly: a deadline, a cancel and Close end a Select on a connection; what comes later is read.
func TestSelectEndsEarly(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, peer := e.pair(t)
			readable, long := Readable(a), loop.After(patience)
			a.SetReadTimeout(2 * time.Millisecond)
			if i := got(loop.Select(t, readable, long)); i != 0 {
				failf("case %d at the deadline", i)
			}
			a.SetReadTimeout(0)
			why := errors.New("enough")
			h := e.spawn("selects", func(t *loop.Task) {
				if i, err := loop.Select(t, readable, long); i != -1 || err != why {
					failf("case %d, %v", i, err)
				}
			})
			e.parked(t, "selects")
			e.l.Cancel(h, why)
			join(t, h)
			got(peer.Write([]byte("later")))
			readText(a, "later", false)
			h = e.spawn("selects", func(t *loop.Task) {
				if i := got(loop.Select(t, readable, long)); i != 0 {
					failf("case %d at Close", i)
				}
			})
			e.parked(t, "selects")
			must(a.Close())
			join(t, h)
			e.closeAll(t, a, peer)
		})
	})
}

// TestSelectAllocatesNothing: on connections, with cases that are made once.
func TestSelectAllocatesNothing(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, peer := e.pair(t)
			cases := []loop.Case{Readable(a), loop.After(patience)}
			out, in := []byte("x"), make([]byte, 1)
			step := func() {
				got(peer.Write(out))
				if i := got(loop.Select(t, cases...)); i != 0 {
					failf("case %d", i)
				}
				got(a.Read(in))
			}
			for range 100 {
				step()
			}
			if n := testing.AllocsPerRun(300, step); n != 0 {
				failf("%v allocations", n)
			}
			e.closeAll(t, a, peer)
		})
	})
}

// TestIncoming takes connections one by one and in a Select, bounds those that wait, and drops them at Close.
func TestIncoming(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			cfg := ListenConfig{Address: "127.0.0.1:0", MaxConns: 64}
			fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			must(err)
			in := ListenQueue(e.n, fd, cfg, 2)
			addr := got(AddressOf(ap))
			accepted := in.Case()
			if i := got(loop.Select(t, accepted, loop.After(2*time.Millisecond))); i != 1 || accepted.Conn != nil {
				failf("case %d", i)
			}
			var clients, served []*Conn
			for range 12 {
				clients = append(clients, got(Dial(e.n, &addr, patience)))
			}
			must(t.Sleep(5 * time.Millisecond))
			if len(in.queue) > in.limit {
				failf("%d connections wait, %d may", len(in.queue), in.limit)
			}
			for i := range 4 {
				if i%2 == 0 {
					served = append(served, got(in.Take()))
					continue
				}
				if i := got(loop.Select(t, loop.After(patience), accepted)); i != 1 {
					failf("case %d", i)
				}
				served = append(served, accepted.Conn)
			}
			for i, c := range served { // in their order
				got(clients[i].Write([]byte{byte(i)}))
				readText(c, string([]byte{byte(i)}), false)
				e.closeAll(t, c)
				in.Release()
			}
			if n := in.Listener().Conns(); n != len(in.queue) {
				failf("%d connections are counted, %d wait", n, len(in.queue))
			}
			in.Close()
			in.Close()
			if _, err := in.Take(); !errors.Is(err, net.ErrClosed) {
				failf("Take after Close: %v", err)
			}
			if i := got(loop.Select(t, accepted)); i != 0 || accepted.Conn != nil {
				failf("case %d after Close", i)
			}
			e.closeAll(t, clients...)
			e.until(t, "all are closed", func() bool { return e.n.open == 0 })
		})
	})
}

// TestIncomingWakes: a task that waits gets what comes, the cause of a cancel, or the end.
func TestIncomingWakes(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			cfg := ListenConfig{Address: "127.0.0.1:0"}
			fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			must(err)
			in := ListenQueue(e.n, fd, cfg, 0)
			addr := got(AddressOf(ap))
			var c *Conn
			take := func(want error) loop.Handle {
				h := e.spawn("takes", func(*loop.Task) {
					var err error
					if c, err = in.Take(); !errors.Is(err, want) {
						failf("%v, want %v", err, want)
					}
				})
				e.parked(t, "takes")
				return h
			}
			h := take(nil)
			client := got(Dial(e.n, &addr, patience))
			join(t, h)
			e.closeAll(t, c, client)
			why := errors.New("enough")
			h = take(why)
			e.l.Cancel(h, why)
			join(t, h)
			h = take(net.ErrClosed)
			in.Close()
			join(t, h)
		})
	})
}
