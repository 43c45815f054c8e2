package main

import (
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/loop"
)

func main() {
	listen := flag.String("listen", "", "address to listen on")
	to := flag.String("to", "", "address to forward to")
	splice := flag.Bool("splice", false, "move bytes inside the kernel, with a task for each direction")
	driver := flag.String("driver", "auto", "auto, uring or epoll")
	flag.Parse()
	addr, err := conn.NewAddress(*to)
	if err != nil {
		log.Fatal(err)
	}
	open, _, err := gateway.ChooseDriver(gateway.DriverName(*driver), slog.Default())
	if err != nil {
		log.Fatal(err)
	}
	loop.SetMaxProcs(1)
	l, err := loop.Start(loop.DefaultConfig(0, open))
	if err != nil {
		log.Fatal(err)
	}
	cfg := conn.ListenConfig{Address: *listen}
	fd, _, err := conn.OpenListener(l.Sockets(), cfg, l.NonBlocking())
	if err != nil {
		log.Fatal(err)
	}
	l.On(func() {
		n := conn.NewNet(l, conn.DefaultLimits())
		f := &forwarder{n: n, to: addr, start: restingHalves}
		if *splice {
			f.start = spliceHalves
		}
		conn.Listen(n, fd, cfg, f)
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	l.Stop(time.Second)
	_ = l.Wait()
}

type forwarder struct {
	n  *conn.Net
	to conn.Address
	// start lets bytes go both ways; it does not wait for their end.
	start func(c, u *conn.Conn)
}

// Accept opens the connection's other side.
func (f *forwarder) Accept(c *conn.Conn) {
	f.n.Loop.Go("dial", func(*loop.Task) {
		u, err := conn.Dial(f.n, &f.to, time.Second)
		if err != nil {
			_ = c.Close()
			return
		}
		f.start(c, u)
	})
}

// restingHalves has no task for a direction without bytes.
func restingHalves(c, u *conn.Conn) {
	a, b := &half{from: c, to: u}, &half{from: u, to: c}
	a.rest()
	b.rest()
}

// half is one direction: at rest a pending receive, and a task while bytes are there.
type half struct{ from, to *conn.Conn }

func (h *half) rest() {
	h.from.Watch(h)
	h.from.Arm()
}

// Readable starts a task for the bytes that came.
func (h *half) Readable(*conn.Conn) { h.from.Net().Loop.Spawn("forward", h) }

// Expired never happens: no deadline is set.
func (h *half) Expired(*conn.Conn) {}

// Run passes on what is there.
func (h *half) Run(*loop.Task) {
	p, err := h.from.ReadBuf()
	if err != nil {
		_ = h.from.Close()
		_ = h.to.Close()
		return
	}
	if len(p) > conn.SmallBlock {
		err = h.to.WriteBufs(p, nil, false)
	} else {
		b := h.from.Net().Small()
		b.Len = copy(b.Bytes, p)
		err = h.to.Send(b)
	}
	if err != nil {
		_ = h.from.Close()
		return
	}
	h.from.Consume(len(p))
	h.rest()
}
