package conn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
)

// run starts a loop, runs f as its first task, and stops it. uring.New in place of epoll.New drives it by io_uring.
func run(f func(t *loop.Task, n *conn.Net) error) {
	loop.SetMaxProcs(1)
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan struct{})
	l.Post(func() {
		n := conn.NewNet(l, conn.DefaultLimits())
		l.Go("main", func(t *loop.Task) {
			defer close(ended)
			if err := f(t, n); err != nil {
				fmt.Println(err)
			}
		})
	})
	<-ended
	l.Stop(time.Second)
	_ = l.Wait()
}

// listen opens a listener on a port of the system's choice, whose connections serve gets, each in a task of its own.
func listen(n *conn.Net, serve func(c *conn.Conn)) (*conn.Incoming, conn.Address, error) {
	cfg := conn.ListenConfig{Address: "127.0.0.1:0"}
	fd, at, err := conn.OpenListener(n.Loop.Sockets(), cfg, n.Loop.NonBlocking())
	if err != nil {
		return nil, conn.Address{}, err
	}
	in := conn.ListenQueue(n, fd, cfg, 0)
	n.Loop.Go("accept", func(*loop.Task) {
		for {
			c, err := in.Take()
			if err != nil {
				return // closed, or the loop stops
			}
			n.Loop.Go("connection", func(*loop.Task) {
				defer c.Close()
				serve(c)
			})
		}
	})
	addr, err := conn.AddressOf(at)
	return in, addr, err
}

// echo sends back what it receives, in buffers that the loop lends.
func echo(c *conn.Conn) {
	for {
		p, err := c.ReadBuf()
		if err != nil {
			return // the end, or an error
		}
		if _, err := c.Write(p); err != nil {
			return
		}
		c.Consume(len(p))
	}
}

// ask sends a line over a connection and prints what comes back until the end.
func ask(c *conn.Conn, line string) error {
	defer c.Close()
	if _, err := c.Write([]byte(line)); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	fmt.Printf("%s", answer)
	return err
}

// A server that echoes, and a client of it, as tasks of one loop.
func Example_echo() {
	run(func(_ *loop.Task, n *conn.Net) error {
		in, addr, err := listen(n, echo)
		if err != nil {
			return err
		}
		defer in.Close()
		c, err := conn.Dial(n, &addr, time.Second)
		if err != nil {
			return err
		}
		return ask(c, "hello\n")
	})
	// Output: hello
}

// A proxy: what one connection receives the other sends, without a copy where there is much of it.
func Example_proxy() {
	run(func(_ *loop.Task, n *conn.Net) error {
		origin, to, err := listen(n, echo)
		if err != nil {
			return err
		}
		defer origin.Close()
		proxy, addr, err := listen(n, func(client *conn.Conn) {
			upstream, err := conn.DialWith(n, &to, conn.DialConfig{Timeout: time.Second})
			if err != nil {
				client.Abort() // a reset tells the client that this is no answer
				return
			}
			ended := loop.NewChan[conn.RelayEnd](1)
			r := conn.Relay{OnEnd: func(r *conn.Relay) { ended.TrySend(r.Why()) }}
			r.Start(client, upstream, time.Minute) // both are the relay's now
			if _, _, err := ended.Recv(n.Loop.Current()); err != nil {
				r.Stop() // the task was cancelled
			}
		})
		if err != nil {
			return err
		}
		defer proxy.Close()
		c, err := conn.Dial(n, &addr, time.Second)
		if err != nil {
			return err
		}
		return ask(c, "by way of a proxy\n")
	})
	// Output: by way of a proxy
}

// A Unix connection knows who is at the other end, and carries descriptors.
func Example_unix() {
	run(func(_ *loop.Task, n *conn.Net) error {
		a, b, err := conn.StreamPair(n)
		if err != nil {
			return err
		}
		defer a.Close()
		defer b.Close()
		peer, err := b.Credentials()
		if err != nil {
			return err
		}
		fmt.Println("it is this process:", peer.PID == os.Getpid())

		r, w, err := conn.Pipe(n, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := a.SendFiles([]byte("a pipe"), []int{w.FD()}); err != nil {
			return err
		}
		_ = w.Close() // the message has its own
		what := make([]byte, 16)
		m, fds, err := b.ReceiveFiles(what)
		if err != nil || len(fds) != 1 {
			return fmt.Errorf("%d descriptors came: %w", len(fds), err)
		}
		end, err := conn.NewPipeEnd(n, fds[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(end, "through %s", what[:m])
		_ = end.Close()
		all, err := io.ReadAll(r)
		fmt.Println(string(all))
		return err
	})
	// Output:
	// it is this process: true
	// through a pipe
}

// Datagrams by batches: one call sends several, one takes what has come, in buffers that are lent.
func Example_udp() {
	run(func(_ *loop.Task, n *conn.Net) error {
		server, err := conn.ListenPacket(n, conn.PacketConfig{Address: "127.0.0.1:0", PacketInfo: true})
		if err != nil {
			return err
		}
		defer server.Close()
		addr, err := conn.AddressOf(server.Local())
		if err != nil {
			return err
		}
		client, err := conn.DialPacket(n, &addr, conn.PacketConfig{})
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := client.WriteBatch([]conn.Packet{{Data: []byte("one")}, {Data: []byte("two")}, {Data: []byte("abcde"), Segment: 3}}); err != nil {
			return err
		}
		in := make([]conn.Datagram, 8)
		for seen := 0; seen < 4; {
			got, err := server.ReadBatch(in)
			if err != nil {
				return err
			}
			for _, d := range in[:got] {
				fmt.Printf("%s, sent to %v\n", d.Data, d.Local)
			}
			server.Release(in[:got])
			seen += got
		}
		return nil
	})
	// Output:
	// one, sent to 127.0.0.1
	// two, sent to 127.0.0.1
	// abc, sent to 127.0.0.1
	// de, sent to 127.0.0.1
}

// Package crypto/tls works on connections as they are, as long as one task alone uses a tls.Conn: it locks a mutex of its own
// while it writes, and a second task that wanted it would hold the loop (law 1 of package loop).
func Example_tls() {
	server, client := tlsConfigs()
	run(func(_ *loop.Task, n *conn.Net) error {
		in, addr, err := listen(n, func(c *conn.Conn) {
			s := tls.Server(c, server)
			_, _ = io.Copy(s, s) // each end speaks in turn
			_ = s.Close()
		})
		if err != nil {
			return err
		}
		defer in.Close()
		c, err := conn.Dial(n, &addr, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		s := tls.Client(c, client)
		if _, err := s.Write([]byte("in secret")); err != nil {
			return err
		}
		answer := make([]byte, len("in secret"))
		if _, err := io.ReadFull(s, answer); err != nil {
			return err
		}
		fmt.Println(string(answer), "by", tls.VersionName(s.ConnectionState().Version))
		return s.Close()
	})
	// Output: in secret by TLS 1.3
}

// tlsConfigs makes a certificate for localhost, and what it takes to trust it.
func tlsConfigs() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		panic(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(own)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// A pipe between two tasks.
func ExamplePipe() {
	run(func(t *loop.Task, n *conn.Net) error {
		r, w, err := conn.Pipe(n, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		t.Loop().Go("writer", func(*loop.Task) {
			fmt.Fprint(w, "line by ")
			fmt.Fprint(w, "line")
			_ = w.Close()
		})
		all, err := io.ReadAll(r)
		fmt.Println(string(all))
		return err
	})
	// Output: line by line
}

// The first of a connection and a time.
func ExampleReadable() {
	run(func(t *loop.Task, n *conn.Net) error {
		a, b, err := conn.StreamPair(n)
		if err != nil {
			return err
		}
		defer a.Close()
		defer b.Close()
		readable, late := conn.Readable(a), loop.After(5*time.Millisecond)
		for range 2 {
			i, err := loop.Select(t, readable, late)
			if err != nil {
				return err
			}
			if i == 1 {
				fmt.Println("nothing yet")
				if _, err := b.Write([]byte("now")); err != nil {
					return err
				}
				continue
			}
			p, err := a.ReadBuf() // does not wait
			if err != nil {
				return err
			}
			fmt.Println(string(p))
			a.Consume(len(p))
		}
		return nil
	})
	// Output:
	// nothing yet
	// now
}

// A wait for a descriptor that somebody else owns, bounded by a time.
func ExampleWaitReadable() {
	run(func(_ *loop.Task, n *conn.Net) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		defer w.Close()
		err = conn.WaitReadable(n, int(r.Fd()), time.Millisecond)
		fmt.Println("in time:", !errors.Is(err, os.ErrDeadlineExceeded))
		if _, err := w.Write([]byte("x")); err != nil { // does not wait: there is room
			return err
		}
		fmt.Println("readable:", conn.WaitReadable(n, int(r.Fd()), time.Second) == nil)
		return nil
	})
	// Output:
	// in time: false
	// readable: true
}
