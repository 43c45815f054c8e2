package conn

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// TestPacketsWithNet has package net on the other end, in both roles.
func TestPacketsWithNet(t *testing.T) {
	eachDriver(t, func(e *env) {
		peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			e.t.Fatal(err)
		}
		defer peer.Close()
		go func() { // sends everything back
			b := make([]byte, 1<<16)
			for {
				n, from, err := peer.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = peer.WriteToUDPAddrPort(b[:n], from)
			}
		}()
		e.run(func(t *loop.Task) {
			for _, own := range []string{"127.0.0.1:0", ":0"} { // also IPv4 through a socket of IPv6
				var c net.PacketConn = got(ListenPacket(e.n, PacketConfig{Address: own}))
				b := make([]byte, 1<<16)
				for i := range 50 {
					want := bytesAt(int64(i), 1+i*1300)
					got(c.WriteTo(want, peer.LocalAddr()))
					n, from, err := c.ReadFrom(b)
					must(err)
					if !bytes.Equal(b[:n], want) || from.String() != peer.LocalAddr().String() {
						failf("%d bytes came back from %v", n, from)
					}
				}
				must(c.Close())
			}
		})
	})
}

// TestReusePortSpreadsSenders has a socket for each of two loops on one address.
func TestReusePortSpreadsSenders(t *testing.T) {
	eachDriver(t, func(e *env) {
		cfg := PacketConfig{Address: "127.0.0.1:0", ReusePort: true}
		fd, addr, err := OpenPacket(e.l.Sockets(), cfg, e.l.NonBlocking())
		if err != nil {
			e.t.Fatal(err)
		}
		cfg.Address = addr.String()
		e.run(func(t *loop.Task) {
			both := []*PacketConn{NewPacketConn(e.n, fd, UDP), got(ListenPacket(e.n, cfg))}
			heard := [2]int{}
			var readers []loop.Handle
			for i, c := range both {
				readers = append(readers, e.spawn("reader", func(*loop.Task) {
					for {
						if _, err := c.Read(make([]byte, 8)); err != nil {
							return
						}
						heard[i]++
					}
				}))
			}
			to := got(AddressOf(addr))
			for range 64 {
				c := got(DialPacket(e.n, &to, PacketConfig{}))
				got(c.Write([]byte("x")))
				must(c.Close())
			}
			e.until(t, "all are heard", func() bool { return heard[0]+heard[1] == 64 })
			if heard[0] == 0 || heard[1] == 0 {
				failf("heard %v", heard)
			}
			for _, c := range both {
				must(c.Close())
			}
			join(t, readers...)
		})
		e.run(func(t *loop.Task) { // and without it the address is refused
			c := got(ListenPacket(e.n, PacketConfig{Address: "127.0.0.1:0"}))
			_, err := ListenPacket(e.n, PacketConfig{Address: c.Local().String()})
			if !errors.Is(err, syscall.EADDRINUSE) {
				failf("%v", err)
			}
			must(c.Close())
		})
	})
}

// TestPacketOptionsAreNamed: an error says which option it was, and buffers are as asked.
func TestPacketOptionsAreNamed(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			_, err := ListenPacket(e.n, PacketConfig{Address: "unix:@ringway-options", Join: true})
			if err == nil || !bytes.Contains([]byte(err.Error()), []byte("UDP_GRO")) {
				failf("%v", err)
			}
			c := got(ListenPacket(e.n, PacketConfig{Address: "127.0.0.1:0", ReceiveBuffer: 50000, SendBuffer: 60000}))
			for o, want := range map[sys.Option]int{sys.SO_RCVBUF: 50000, sys.SO_SNDBUF: 60000} {
				if v := got(e.l.Sockets().Option(c.FD(), o)); v != 2*want {
					failf("%v is %d", o, v)
				}
			}
			must(c.Close())
		})
	})
}

// TestPacketsPauseReceiving lets far more messages come than may wait; the queue stays bounded, and the kernel's drops.
func TestPacketsPauseReceiving(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{ReceiveBuffer: 8 << 20})
			_ = got(client.Write([]byte("first")))
			readOne(server) // from here on it receives by itself
			const count = 1000
			for i := range count {
				got(client.Write(fmt.Appendf(nil, "message %d", i)))
				if i%50 == 0 {
					must(t.Yield())
				}
			}
			must(t.Sleep(10 * time.Millisecond))
			if n := server.in.waiting(); n < maxPackets || n > maxPackets+100 {
				failf("%d messages wait in user space", n)
			}
			for i := range 2 * maxPackets { // the kernel's queue may have had no room for all
				if text, _ := readOne(server); text != fmt.Sprint("message ", i) {
					failf("%q, want number %d", text, i)
				}
			}
			must(client.Close())
			must(server.Close())
		})
	})
}

// TestPacketDropsAreCounted sends more than the receive queue holds: what was read and what was dropped are all that was sent.
func TestPacketDropsAreCounted(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{CountDrops: true, ReceiveBuffer: 8 << 10})
			const count = 400
			for range count {
				got(client.Write(make([]byte, 1000)))
			}
			read := 0
			server.SetReadTimeout(50 * time.Millisecond)
			for b := make([]byte, 1000); ; read++ {
				if _, err := server.Read(b); err != nil {
					break
				}
			}
			server.SetReadTimeout(0)
			got(client.Write([]byte("last"))) // only a message tells
			readOne(server)
			if n := int(server.Dropped()); n == 0 || read+n != count {
				failf("%d read, %d dropped of %d", read, n, count)
			}
			must(client.Close())
			must(server.Close())
		})
	})
}

// TestPacketsOfAnySizeInBatches: what one call sends is bounded in bytes too, and everything is sent all the same.
func TestPacketsOfAnySizeInBatches(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b, err := PacketPair(e.n, Unixpacket)
			must(err)
			out := make([]Packet, 30)
			for i := range out {
				out[i].Data = bytesAt(int64(i), 50_000)
			}
			h := e.spawn("writer", func(*loop.Task) {
				if n := got(a.WriteBatch(out)); n != len(out) {
					failf("%d sent", n)
				}
			})
			for i := range out {
				text, m := readOne(b)
				if len(text) != 50_000 || m.Truncated {
					failf("message %d has %d bytes", i, len(text))
				}
				checkAt(int64(i), []byte(text))
			}
			join(t, h)
			must(a.Close())
			must(b.Close())
		})
	})
}

// TestPacketsAllocateNothing: sending and receiving, by batches and by copy.
func TestPacketsAllocateNothing(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{PacketInfo: true, ReceiveTOS: true})
			out := []Packet{{Data: []byte("one")}, {Data: []byte("two"), TOS: 8}, {Data: []byte("threefour"), Segment: 5}}
			in := make([]Datagram, 8)
			batch := func() {
				if n, err := client.WriteBatch(out); n != len(out) || err != nil {
					failf("%d, %v", n, err)
				}
				for read := 0; read < 4; {
					n := got(server.ReadBatch(in))
					read += n
					server.Release(in[:n])
				}
			}
			b := make([]byte, 16)
			single := func() {
				got(client.Write(out[0].Data))
				_, from, err := server.ReadFromAddrPort(b)
				must(err)
				got(server.WriteToAddrPort(b[:3], from))
				got(client.Read(b))
			}
			for name, f := range map[string]func(){"batches": batch, "single ones": single} {
				for range 200 {
					f()
				}
				if n := testing.AllocsPerRun(300, f); n != 0 {
					failf("%s: %v allocations", name, n)
				}
			}
			must(client.Close())
			must(server.Close())
		})
	})
}

// BenchmarkPackets sends batches from one connection to another of the same loop. The kernel's share is most of it.
func BenchmarkPackets(b *testing.B) {
	defer func(was bool) { buf.Poison = was }(buf.Poison)
	buf.Poison = false
	for _, d := range drivers {
		for _, size := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", d.name, size), func(b *testing.B) {
				if err := d.probe(); err != nil {
					b.Skip("needs io_uring as of Linux 6.1: ", err)
				}
				e := start(b, d.open)
				done := make(chan struct{})
				e.l.Post(func() {
					e.l.Go("bench", func(t *loop.Task) {
						defer close(done)
						server, client := e.packets(PacketConfig{ReceiveBuffer: 4 << 20})
						out, in := make([]Packet, size), make([]Datagram, size)
						for i := range out {
							out[i].Data = make([]byte, 100)
						}
						b.ResetTimer()
						for sent := 0; sent < b.N; sent += size {
							got(client.WriteBatch(out))
							for read := 0; read < size; {
								n := got(server.ReadBatch(in))
								read += n
								server.Release(in[:n])
							}
						}
						b.StopTimer()
						must(client.Close())
						must(server.Close())
					})
				})
				<-done
				runtime.KeepAlive(e)
			})
		}
	}
}
