package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/sim"
	"github.com/ringway/ringway/sys"
)

// eachNetwork runs f on every driver that works here, and on a simulated network.
func eachNetwork(t *testing.T, f func(e *env)) {
	eachDriver(t, f)
	t.Run("sim", func(t *testing.T) {
		w := sim.New(sim.Config{Seed: 1})
		w.Live()
		e := start(t, w.Driver)
		f(e)
		e.finish()
	})
}

// packets opens a bound socket and one that is connected to it.
func (e *env) packets(cfg PacketConfig) (server, client *PacketConn) {
	cfg.Address = "127.0.0.1:0"
	server = got(ListenPacket(e.n, cfg))
	addr := got(AddressOf(server.Local()))
	return server, got(DialPacket(e.n, &addr, PacketConfig{}))
}

// readOne takes one message and releases it.
func readOne(c *PacketConn) (string, Datagram) {
	var d [1]Datagram
	if n := got(c.ReadBatch(d[:])); n != 1 {
		failf("%d messages", n)
	}
	text, m := string(d[0].Data), d[0]
	c.Release(d[:])
	return text, m
}

func TestPacketsBothWays(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{})
			e.spawn("echo", func(*loop.Task) {
				b := make([]byte, 1<<16)
				for {
					n, from, err := server.ReadFromAddrPort(b)
					if errors.Is(err, net.ErrClosed) {
						return
					}
					must(err)
					if from != client.Local() {
						failf("from %v", from)
					}
					got(server.WriteToAddrPort(b[:n], from))
				}
			})
			b := make([]byte, 1<<16)
			for i := range 100 {
				want := bytesAt(int64(i), []int{0, 1, 100, 1400, 9000, 60000}[i%6])
				got(client.Write(want))
				if n := got(client.Read(b)); !bytes.Equal(b[:n], want) {
					failf("%d of %d bytes came back", n, len(want))
				}
			}
			must(client.Close())
			must(server.Close())
			if err := server.Close(); !errors.Is(err, net.ErrClosed) {
				failf("closed twice: %v", err)
			}
			if _, err := server.WriteToAddrPort(b[:1], server.Local()); !errors.Is(err, net.ErrClosed) {
				failf("write after Close: %v", err)
			}
			if _, err := server.TryWriteBatch(make([]Packet, 1)); !errors.Is(err, net.ErrClosed) {
				failf("write after Close: %v", err)
			}
		})
	})
}

// TestPacketBatches sends more by one call than the kernel takes, and receives by batches.
func TestPacketBatches(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{ReceiveBuffer: 4 << 20})
			const count = 100
			out := make([]Packet, count)
			for i := range out {
				out[i].Data = fmt.Appendf(nil, "message %d", i)
			}
			if n := got(client.WriteBatch(out)); n != count {
				failf("%d sent", n)
			}
			in := make([]Datagram, 32)
			for read := 0; read < count; {
				n := got(server.ReadBatch(in))
				for i, d := range in[:n] {
					if want := fmt.Sprint("message ", read+i); string(d.Data) != want || d.From != client.Local() {
						failf("%q from %v, want %q", d.Data, d.From, want)
					}
				}
				server.Release(in[:n])
				read += n
			}
			must(client.Close())
			must(server.Close())
		})
	})
}

// TestPacketsLentOutliveClose reads what is lent after the connection has been closed.
func TestPacketsLentOutliveClose(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{})
			got(client.Write([]byte("kept")))
			got(client.Write([]byte("never read")))
			var d [1]Datagram
			got(server.ReadBatch(d[:]))
			must(server.Close())
			must(client.Close())
			must(t.Sleep(2 * time.Millisecond))
			if string(d[0].Data) != "kept" {
				failf("%q", d[0].Data)
			}
			server.Release(d[:])
			server.Release(d[:]) // twice is once
		})
	})
}

// TestPacketControl: where it was sent to, its traffic class, and the address that it is sent from.
func TestPacketControl(t *testing.T) {
	eachNetwork(t, func(e *env) {
		for _, host := range []string{"127.0.0.1", "::1"} {
			e.run(func(t *loop.Task) {
				ip := netip.MustParseAddr(host)
				address := netip.AddrPortFrom(ip, 0).String()
				server, err := ListenPacket(e.n, PacketConfig{Address: address, PacketInfo: true, ReceiveTOS: true})
				if sys.IsNoFamily(err) {
					return // this machine has no IPv6
				}
				must(err)
				client := got(ListenPacket(e.n, PacketConfig{Address: address, TOS: 0x20}))
				for i, tos := range []uint8{0, 0xb8 | 2} {
					if n := got(client.WriteBatch([]Packet{{Data: []byte("x"), To: server.Local(), Local: ip, TOS: tos}})); n != 1 {
						failf("%d sent", n)
					}
					_, m := readOne(server)
					want := tos
					if i == 0 && e.l.DriverName() != "sim" { // which leaves a socket's own to the kernel
						want = 0x20
					}
					if m.Local != ip || m.Interface == 0 || m.TOS != want || m.ECN() != want&3 || m.From != client.Local() {
						failf("%+v", m)
					}
				}
				must(client.Close())
				must(server.Close())
			})
		}
	})
}

// TestPacketSegments has the kernel cut what is sent, and join what is received.
func TestPacketSegments(t *testing.T) {
	eachNetwork(t, func(e *env) {
		for _, join := range []bool{false, true} {
			e.run(func(t *loop.Task) {
				server, client := e.packets(PacketConfig{Join: join, ReceiveBuffer: 1 << 20})
				data := bytesAt(0, 40*1200+7)
				got(client.WriteBatch([]Packet{{Data: data, Segment: 1200}, {Data: data[:900], Segment: 1200}}))
				var whole []byte
				joined := false
				for len(whole) < len(data)+900 {
					text, m := readOne(server)
					switch {
					case m.Segment > 0:
						joined = true
						if m.Segment != 1200 || m.Truncated {
							failf("%+v", m)
						}
					case len(text) > 1200:
						failf("%d bytes by one datagram", len(text))
					}
					whole = append(whole, text...)
				}
				if !bytes.Equal(whole, append(data[:len(data):len(data)], data[:900]...)) {
					failf("other bytes came")
				}
				if want := join && e.l.DriverName() != "sim"; joined != want {
					failf("joined: %v, want %v", joined, want)
				}
				must(client.Close())
				must(server.Close())
			})
		}
	})
}

// TestPacketRefused: a port where nobody listens is told once, and the connection works when somebody does.
func TestPacketRefused(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{})
			address := server.Local().String()
			must(server.Close())
			e.until(t, "the port is free", func() bool { return server.gone && e.n.open == 1 })
			got(client.Write([]byte("anybody?")))
			if _, err := client.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
				failf("read: %v", err)
			}
			server = got(ListenPacket(e.n, PacketConfig{Address: address}))
			got(client.Write([]byte("now?")))
			if text, m := readOne(server); text != "now?" || m.From != client.Local() {
				failf("%q from %v", text, m.From)
			}
			got(server.WriteToAddrPort([]byte("yes"), client.Local()))
			if text, _ := readOne(client); text != "yes" {
				failf("%q", text)
			}
			must(client.Close())
			must(server.Close())
		})
	})
}

// TestPacketWaitsEnd: by deadline, by cancel and by Close, and nothing that comes later is lost.
func TestPacketWaitsEnd(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{})
			server.SetReadTimeout(5 * time.Millisecond)
			if _, err := server.Read(nil); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("%v", err)
			}
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("%v", err)
			}
			must(server.SetDeadline(time.Time{}))
			why := errors.New("no reason")
			reader := e.spawn("reader", func(*loop.Task) {
				if _, err := server.Read(make([]byte, 10)); err != why {
					failf("a cancelled read: %v", err)
				}
			})
			e.parked(t, "reader")
			e.l.Cancel(reader, why)
			join(t, reader)
			got(client.Write([]byte("later")))
			if text, _ := readOne(server); text != "later" {
				failf("%q", text)
			}
			reader = e.spawn("reader", func(*loop.Task) {
				if _, err := server.Read(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
					failf("a read when it was closed: %v", err)
				}
			})
			e.parked(t, "reader")
			must(server.Close())
			join(t, reader)
			must(client.Close())
		})
	})
}

// TestUnixgram: names, paths and abstract ones, and that a full receiver holds the sender up and loses nothing.
func TestUnixgram(t *testing.T) {
	eachNetwork(t, func(e *env) {
		for _, name := range []string{filepath.Join(e.t.TempDir(), "in"), fmt.Sprintf("@ringway-%d-%s", os.Getpid(), e.l.DriverName())} {
			e.run(func(t *loop.Task) {
				server := got(ListenPacket(e.n, PacketConfig{Address: "unix:" + name}))
				addr := got(NewAddress("unix:" + name))
				own := name + "-peer"
				connected := got(DialPacket(e.n, &addr, PacketConfig{Address: "unix:" + own}))
				loose, mate, err := PacketPair(e.n, Unixgram)
				must(err)
				must(mate.Close())
				must(loose.Close())
				loose = got(ListenPacket(e.n, PacketConfig{Address: "unix:" + own + "2"}))
				const each = 300 // more than the kernel keeps
				writers := []loop.Handle{e.spawn("connected", func(*loop.Task) {
					for i := range each {
						got(connected.Write(fmt.Appendf(nil, "c%d", i)))
					}
				}), e.spawn("loose", func(*loop.Task) {
					for i := range each {
						if n := got(loose.WriteBatch([]Packet{{Data: fmt.Appendf(nil, "l%d", i), Name: &addr}})); n != 1 {
							failf("%d sent", n)
						}
					}
				})}
				must(t.Sleep(5 * time.Millisecond))
				next := map[byte]int{}
				for range 2 * each {
					text, from := readNamed(server)
					if text != fmt.Sprintf("%c%d", text[0], next[text[0]]) {
						failf("%q came out of order", text)
					}
					if want := map[byte]string{'c': own, 'l': own + "2"}[text[0]]; from != want {
						failf("%q came from %q, not %q", text, from, want)
					}
					next[text[0]]++
				}
				join(t, writers...)
				got(server.WriteTo([]byte("back"), &net.UnixAddr{Name: own}))
				if text, from := readNamed(connected); text != "back" || from != name {
					failf("%q from %q", text, from)
				}
				for _, c := range []*PacketConn{server, connected, loose} {
					must(c.Close())
				}
			})
		}
	})
}

func readNamed(c *PacketConn) (text, from string) {
	b := make([]byte, 100)
	n, addr, err := c.ReadFrom(b)
	must(err)
	return string(b[:n]), addr.(*net.UnixAddr).Name
}

// packetAccepts collects accepted connections of messages.
type packetAccepts struct{ conns []*PacketConn }

func (a *packetAccepts) AcceptPackets(c *PacketConn) { a.conns = append(a.conns, c) }

// TestUnixpacket dials a listener of messages; bounds stay, and the end comes after the last.
func TestUnixpacket(t *testing.T) {
	eachNetwork(t, func(e *env) {
		cfg := ListenConfig{Address: "unix:" + filepath.Join(e.t.TempDir(), "seq"), Packets: true}
		e.run(func(t *loop.Task) {
			fd, _, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			must(err)
			to := &packetAccepts{}
			ln := ListenPackets(e.n, fd, cfg, to)
			addr := got(NewAddress(cfg.Address))
			client := got(DialPackets(e.n, &addr, patience))
			e.until(t, "accept", func() bool { return len(to.conns) == 1 })
			ln.Close()
			server := to.conns[0]
			if got(client.Credentials()).PID == 0 {
				failf("no credentials")
			}
			const count = 2000
			h := e.spawn("writer", func(*loop.Task) {
				for i := range count {
					got(client.Write(bytesAt(int64(i), 1+i%3000)))
				}
				must(client.Close())
			})
			b := make([]byte, 4000)
			for i := range count {
				if i == count/2 {
					must(t.Sleep(5 * time.Millisecond)) // until the writer waits
				}
				n := got(server.Read(b))
				if n != 1+i%3000 {
					failf("message %d has %d bytes", i, n)
				}
				checkAt(int64(i), b[:n])
			}
			for range 2 {
				if _, err := server.Read(b); err != io.EOF {
					failf("at the end: %v", err)
				}
			}
			join(t, h)
			must(server.Close())
		})
	})
}

// TestPacketFiles passes descriptors with messages; those that nobody takes are closed.
func TestPacketFiles(t *testing.T) {
	for _, kind := range []PacketKind{Unixgram, Unixpacket} {
		eachNetwork(t, func(e *env) {
			e.run(func(t *loop.Task) {
				a, b, err := PacketPair(e.n, kind)
				must(err)
				near, far, err := StreamPair(e.n)
				must(err)
				for range 3 {
					got(a.WriteBatch([]Packet{{Data: []byte("files"), Files: []int{far.FD(), far.FD()}}}))
				}
				var d [2]Datagram
				for read := 0; read < 2; {
					read += got(b.ReadBatch(d[read:]))
				}
				fds := d[0].Files()
				if len(fds) != 2 || d[0].Files() != nil || string(d[0].Data) != "files" || d[0].Cut {
					failf("%v, %+v", fds, d[0])
				}
				b.Release(d[:])
				e.closeAll(t, far)
				received := New(e.n, int32(fds[0]), true)
				must(e.l.Sockets().Close(fds[1]))
				got(near.Write([]byte("through it")))
				readText(received, "through it", false)
				e.closeAll(t, near, received)
				must(a.Close())
				must(b.Close()) // with a message that nobody read
			})
		})
	}
}

// TestPacketSelect waits for messages and for a time.
func TestPacketSelect(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			server, client := e.packets(PacketConfig{})
			readable := server.Readable()
			if i := got(loop.Select(t, readable, loop.After(2*time.Millisecond))); i != 1 {
				failf("case %d without a message", i)
			}
			got(client.Write([]byte("x")))
			for range 2 { // it takes nothing
				if i := got(loop.Select(t, readable, loop.After(patience))); i != 0 {
					failf("case %d with a message", i)
				}
			}
			readOne(server)
			e.spawn("closer", func(t *loop.Task) { must(t.Sleep(time.Millisecond)); must(server.Close()) })
			if i := got(loop.Select(t, readable, loop.After(patience))); i != 0 {
				failf("case %d when it was closed", i)
			}
			must(client.Close())
		})
	})
}

// TestEmptyMessageWithDescriptors: what ends a connection of messages may carry descriptors, which nobody will take.
func TestEmptyMessageWithDescriptors(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b, err := PacketPair(e.n, Unixpacket)
			must(err)
			f, err := os.Open("/dev/null")
			must(err)
			defer f.Close()
			before := len(got(os.ReadDir("/proc/self/fd")))
			fds := make([]int, 100)
			for i := range fds {
				fds[i] = int(f.Fd())
			}
			got(a.WriteBatch([]Packet{{Files: fds}}))
			var m [4]Datagram
			n, _ := b.ReadBatch(m[:])
			b.Release(m[:n])
			must(a.Close())
			must(b.Close())
			e.until(t, "descriptors are closed", func() bool { return len(got(os.ReadDir("/proc/self/fd"))) <= before })
		})
	})
}
