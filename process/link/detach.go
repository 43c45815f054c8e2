package link

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/ringway/ringway/process/message"
)

// State is what a link needs to go on in another program, beside its socket.
type State struct {
	Peer     message.Hello
	Version  message.Version
	Features message.Features
	Sent     message.Seq
	Received message.Seq
}

// frameTimeout is how long the rest of a frame may take that has begun when a link is detached.
const frameTimeout = 2 * time.Second

// Detach ends the link here so that Attach can take it up in another program: between two messages, and with every
// message of the peer answered. Calls that wait for an answer fail with ErrDetached. The socket is closed on exec until
// its holder decides otherwise. On failure the link has ended for good.
func (l *Link) Detach(ctx context.Context) (State, *os.File, error) {
	l.mu.Lock()
	l.detaching = true
	l.mu.Unlock()
	_ = l.stream.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	select {
	case <-l.ended:
	case <-ctx.Done():
		l.fail(context.Cause(ctx))
		return State{}, nil, context.Cause(ctx)
	}
	l.handlers.Wait()
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.Err(); err != nil {
		return State{}, nil, err
	}
	f, err := l.stream.conn.File()
	s := State{Peer: *l.peer, Version: l.version, Features: l.features, Sent: l.sent, Received: l.stream.dec.Last()}
	l.fail(ErrDetached)
	return s, f, err
}

// detachable reports, on the reader's goroutine, whether it is to stop here.
func (l *Link) detachable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.detaching:
		return false
	case l.stream.dec.Between():
		return true
	}
	// A frame has begun: its rest is on its way, and without a deadline a peer that dies in it would hold us.
	l.lastFrame = true
	_ = l.stream.conn.SetReadDeadline(time.Now().Add(frameTimeout))
	return false
}

// Attach takes a link up that was detached. It closes f.
func Attach(f *os.File, s State, log *slog.Logger) (*Link, error) {
	conn, err := FromFile(f)
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return newLink(conn, s, log), nil
}
