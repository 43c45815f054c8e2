package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// helloTimeout is how long a peer may take to say who it is, if the context has no earlier end.
const helloTimeout = 10 * time.Second

// Permit decides whether a peer may speak with us, by what the kernel knows of it and what it says of itself.
type Permit func(sys.Credentials, *message.Hello) error

// Anyone permits whoever holds the other end: for socket pairs that were never anybody else's.
func Anyone(sys.Credentials, *message.Hello) error { return nil }

// FromFile makes a connection of a socket's file, which it closes.
func FromFile(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("%w: not a Unix socket", message.ErrForeign)
	}
	return u, nil
}

// Connect is the handshake of the side that speaks first. conn is the link's; it is closed on failure.
func Connect(ctx context.Context, conn *net.UnixConn, mine *message.Hello, permit Permit, log *slog.Logger) (*Link, error) {
	l := newLink(conn, State{}, log)
	return l, l.shake(ctx, func() error {
		if err := l.write(mine, 0); err != nil {
			return err
		}
		f, err := l.stream.read()
		if err != nil {
			return reason(err)
		}
		return l.meet(f, mine, permit)
	})
}

// Accept is the handshake of the side that is spoken to. conn is the link's; it is closed on failure. A peer that is
// refused is told why.
func Accept(ctx context.Context, conn *net.UnixConn, mine *message.Hello, permit Permit, log *slog.Logger) (*Link, error) {
	l := newLink(conn, State{}, log)
	return l, l.shake(ctx, func() error {
		f, err := l.stream.read()
		if err != nil {
			return reason(err)
		}
		if err := l.meet(f, mine, permit); err != nil {
			return errors.Join(err, l.write(Refuse(message.ReasonFailed, err).Message, f.Seq))
		}
		return l.write(mine, f.Seq)
	})
}

func newLink(conn *net.UnixConn, s State, log *slog.Logger) *Link {
	ctx, cancel := context.WithCancel(context.Background())
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Link{
		peer: &s.Peer, version: s.Version, features: s.Features, log: log, stream: newStream(conn, s.Received), sent: s.Sent,
		ctx: ctx, cancel: cancel, ended: make(chan struct{}), handled: make(chan struct{}, maxHandled),
		pending: map[message.Seq]chan *Delivery{},
	}
}

// shake runs a handshake under a deadline.
func (l *Link) shake(ctx context.Context, steps func() error) error {
	deadline := time.Now().Add(helloTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = l.stream.conn.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = l.stream.conn.SetReadDeadline(time.Unix(1, 0)) })
	err := steps()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.Close()
		return fmt.Errorf("handshake: %w", err)
	}
	return l.stream.conn.SetReadDeadline(time.Time{})
}

func (l *Link) write(m message.Message, answers message.Seq) error {
	_, err := l.send(m, answers, nil, nil)
	return err
}

// meet reads the peer's Hello and agrees with it.
func (l *Link) meet(f *message.Frame, mine *message.Hello, permit Permit) error {
	closeAll(f.Descriptors)
	m, err := message.Parse(f.Type, f.Body, len(f.Descriptors))
	if err != nil {
		return err
	}
	if refusal, ok := m.(error); ok {
		return refusal
	}
	hello, ok := m.(*message.Hello)
	if !ok {
		return fmt.Errorf("%w: it began with a message of type %d", message.ErrForeign, f.Type)
	}
	who, err := sys.PeerCredentials(l.stream.conn)
	if err != nil {
		return err
	}
	if err := permit(who, hello); err != nil {
		return &message.Refusal{Reason: message.ReasonForbidden, Text: fmt.Sprintf("user %d, pid %d: %v", who.UID, who.PID, err)}
	}
	if l.version, l.features, err = message.Agree(mine, hello); err != nil {
		return err
	}
	l.peer = hello
	return nil
}
