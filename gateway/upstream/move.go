package upstream

import (
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/handover"
)

// Yield gives all idle connections to to, and others as soon as they are given back and nobody waits for one. Those that carry TLS
// stay.
func (c *Cluster) Yield(to handover.Taker) {
	c.to = to
	for _, e := range c.Endpoints {
		for _, k := range append([]*Conn(nil), e.idle...) {
			if k.plain() {
				k.unpool()
				k.leave()
			}
		}
	}
}

// Resume keeps connections again.
func (c *Cluster) Resume() { c.to = nil }

func (c *Conn) plain() bool { return c.Stream == conn.Stream(c.Under) }

// unpool takes an idle connection out of its pool.
func (c *Conn) unpool() {
	e := c.Endpoint
	for i := c.pooled; i < len(e.idle)-1; i++ {
		e.idle[i] = e.idle[i+1]
		e.idle[i].pooled = i
	}
	e.idle[len(e.idle)-1] = nil
	e.idle = e.idle[:len(e.idle)-1]
	c.pooled = -1
	e.Counters.Idle--
	e.Counters.Active++
}

// leave takes the connection, which is in nobody's use and in no pool, out of the loop.
func (c *Conn) leave() {
	c.Watch(nil)
	if c.Under.Detach(c.left) != nil {
		c.drop()
	}
}

// left gives the connection, now that nothing touches it. What has ended, or brought bytes that nobody asked for, is of no use.
func (c *Conn) left(k *conn.Conn) {
	e := c.Endpoint
	if k.Err() != nil || k.WriteErr() != nil || len(k.Buffered()) > 0 || e.cluster.closing || e.cluster.to == nil {
		c.drop()
		return
	}
	state := handover.Pooled{Cluster: e.cluster.Name, Endpoint: e.Name, Requests: c.requests}
	e.cluster.to(&handover.Record{Kind: handover.Upstream, State: handover.Encode(&state), Fds: []int{k.FD()}, Kept: c.drop, Gone: c.drop})
}

// Attach makes a connection that another process has opened to the endpoint one of its own, in use. On failure the descriptor is
// the caller's.
func (e *Endpoint) Attach(fd int32, unread []byte) (*Conn, error) {
	k, err := conn.Attach(e.n, fd, e.unix(), unread)
	if err != nil {
		return nil, err
	}
	e.open++
	e.Counters.Active++
	return &Conn{Stream: k, Under: k, Endpoint: e, pooled: -1}, nil
}

// AttachBoth makes both connections of a tunnel one's own: the upstream one is the endpoint's, in use; unix says that the client's is of a Unix
// socket. Unread is what has come from the client, and from the endpoint. On failure the descriptors are the caller's, but for one that is
// closed: that is -1 then.
func (e *Endpoint) AttachBoth(fds []int, unix bool, unread [2][]byte) (client *conn.Conn, up *Conn, err error) {
	if up, err = e.Attach(int32(fds[1]), unread[1]); err != nil {
		return nil, nil, err
	}
	if client, err = conn.Attach(e.n, int32(fds[0]), unix, unread[0]); err != nil {
		up.Discard()
		fds[1] = -1
		return nil, nil, err
	}
	return client, up, nil
}

// Receive puts an idle connection that another process has opened into the pool, if there is room. On failure the descriptor is
// the caller's.
func (e *Endpoint) Receive(fd int32, requests int) error {
	c, err := e.Attach(fd, nil)
	if err != nil {
		return err
	}
	c.requests = max(requests-1, 0) // Release counts one
	c.Reused = true
	c.Multishot(true)
	c.Release(e.open <= e.cluster.Settings.Pool.Connections)
	return nil
}

// Named is the endpoint of that name, nil if there is none.
func (c *Cluster) Named(endpoint string) *Endpoint {
	for _, e := range c.Endpoints {
		if e.Name == endpoint {
			return e
		}
	}
	return nil
}
