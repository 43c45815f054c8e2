package main

import (
	"log/slog"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/loop"
)

// serveLoop echoes on one loop, with a task for each connection.
func serveLoop(listen, driver string) error {
	open, _, err := gateway.ChooseDriver(gateway.DriverName(driver), slog.Default())
	if err != nil {
		return err
	}
	loop.SetMaxProcs(1)
	l, err := loop.Start(loop.DefaultConfig(0, open))
	if err != nil {
		return err
	}
	cfg := conn.ListenConfig{Address: listen}
	fd, _, err := conn.OpenListener(l.Sockets(), cfg, l.NonBlocking())
	if err != nil {
		return err
	}
	l.On(func() {
		conn.Listen(conn.NewNet(l, conn.DefaultLimits()), fd, cfg, acceptor{})
	})
	return l.Wait()
}

type acceptor struct{}

// Accept starts a connection's task.
func (acceptor) Accept(c *conn.Conn) {
	c.Multishot(true)
	c.Net().Loop.Spawn("echo", &echoer{c})
}

// echoer is a connection as what its task runs.
type echoer struct{ c *conn.Conn }

// Run echoes until the connection ends.
func (e *echoer) Run(*loop.Task) {
	for e.once() == nil {
	}
	_ = e.c.Close()
}

// once waits for bytes and sends them back. What fits goes as a block, which nobody waits for.
func (e *echoer) once() error {
	p, err := e.c.ReadBuf()
	if err != nil {
		return err
	}
	if len(p) <= conn.SmallBlock {
		if b := e.c.Net().Small(); b != nil {
			b.Len = copy(b.Bytes, p)
			e.c.Consume(len(p))
			return e.c.Send(b)
		}
	}
	if err = e.c.WriteBufs(p, nil, false); err == nil {
		e.c.Consume(len(p))
	}
	return err
}
