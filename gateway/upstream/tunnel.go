package upstream

import (
	"errors"
	"os"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/loop"
)

// TakeTunnel is Take for a request that is to become a tunnel; on a stream of HTTP/2 it can only if stream says so. A server that has
// chosen HTTP/2 by ALPN, and takes no tunnels on its streams, is spoken with in HTTP/1.1, over a connection of its own.
func (e *Endpoint) TakeTunnel(t *loop.Task, fresh, stream bool) (Carrier, error) {
	for again, spent := false, false; ; {
		c, err := e.takeAny(t, fresh, true, spent)
		if err != nil || c.Multi == nil {
			return c, err
		}
		allowed := false
		if stream {
			if allowed, err = e.tunnels(t, c.Multi); allowed && c.Multi.Room() > 0 {
				return c, nil
			}
		}
		ending, barred := c.Multi.Ending(), c.Multi.Barred() // before it is given back, which may end it
		c.Multi.reserved--
		c.Multi.Freed(c.Multi.Conn)
		switch {
		case t.Cause() != nil:
			return Carrier{}, t.Cause()
		case ending && !again: // another one is made
			again = true
		case allowed && !ending && !barred: // more were promised a stream than the settings, which came only then, let the connection have
		case allowed && !spent: // there was to be none from the start: another connection would be no better
			spent = true
		case allowed:
			return Carrier{}, e.overloaded(e.Name + " lets no stream be opened for a tunnel")
		case err != nil:
			e.Counters.CountError(err)
			return Carrier{}, err
		case e.version != AutoHTTP:
			return Carrier{}, errs.New(errs.NotImplemented, e.Name+" speaks HTTP/2, and no extended CONNECT for this").Public("the upstream speaks HTTP/2, and takes no such tunnels over that")
		default:
			k, err := e.openHTTP1(t)
			return Carrier{Conn: k}, err
		}
	}
}

// tunnels waits for what the server says of tunnels over HTTP/2, as long as connecting may take.
func (e *Endpoint) tunnels(t *loop.Task, m *Multi) (allowed bool, err error) {
	ask := func() error {
		allowed, err = m.TakesTunnels(t)
		return err
	}
	if d := e.cluster.Settings.Connect; d > 0 {
		err = loop.Timeout(t, d, ask)
	} else {
		err = ask()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errs.From(errs.UpstreamTimeout, err, "wait for the settings of "+e.Name)
	case err != nil:
		err = errs.From(errs.UpstreamClosed, err, "wait for the settings of "+e.Name)
	}
	return allowed, err
}

// openHTTP1 gives the task a new connection of HTTP/1.1 where others are of HTTP/2, within the same bounds. It does not go into
// the pool.
func (e *Endpoint) openHTTP1(t *loop.Task) (*Conn, error) {
	if e.open >= e.cluster.Settings.Pool.Connections {
		if c, err := e.wait(t); c != nil || err != nil {
			return c, err
		}
	} else {
		e.open++
	}
	e.Counters.Connects++
	if e.makes1 == nil {
		e.makes1 = e.tls.Connector(e.n.Loop, e.tlsHost, HTTP1.protocols())
	}
	w, err := e.connectBy(e.makes1)
	if err == nil {
		return e.take(w), nil
	}
	e.open--
	e.offerSlot()
	if t.Cause() != nil {
		return nil, t.Cause()
	}
	err = dialError(err, e.Name)
	e.Counters.CountError(err)
	return nil, err
}
