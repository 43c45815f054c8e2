package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/proto/proxyproto"
	"github.com/ringway/ringway/sys"
)

// Loops runs f on one of the gateway's loops; turn spreads checks over them. It does not wait, and false says that there is none.
// What f starts uses the loop's connections.
type Loops func(turn int, f func(n *conn.Net)) bool

// connector is a kind of check that needs a connection. Its converse says what is wrong with the endpoint behind one that was just
// made, in a task, and closes it.
type connector interface {
	kindSpec
	converse(t *loop.Task, n *conn.Net, k *conn.Conn, to *peer) error
}

var (
	_ connector = (*TCPSpec)(nil)
	_ connector = (*HTTPSpec)(nil)
)

// peer is whom a connection is made to.
type peer struct {
	address   conn.Address
	host      string         // as configured: what TLS verifies, and a request names
	tls       *secure.Client // nil: plain
	sendProxy preface.Version
	protocols []string // by ALPN's names, those that the cluster speaks
}

// multiplexes reports whether the cluster speaks HTTP/2 alone: without TLS, with prior knowledge.
func (p *peer) multiplexes() bool { return len(p.protocols) == 1 && p.protocols[0] == alpnHTTP2 }

func (p *peer) same(o *peer) bool {
	return p.address.String() == o.address.String() && p.host == o.host && p.tls.Same(o.tls) && p.sendProxy == o.sendProxy && slices.Equal(p.protocols, o.protocols)
}

// job is what makes one check's connections, one after the other.
type job struct {
	spec   connector
	to     peer
	cancel context.CancelFunc
}

// firstWithin bounds how long after the start the first check is made. Within it they are spread, lest all come at one moment.
const firstWithin = time.Second

// run checks until ctx ends, an interval from start to start or as soon as the one before has ended.
func (j *job) run(ctx context.Context, c *Checker, k *check) {
	interval := j.spec.pace().Interval.Std()
	next := time.NewTimer(rand.N(min(interval, firstWithin)))
	defer next.Stop()
	for turn := rand.IntN(1 << 16); ; turn++ {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(interval)
		if r, ok := j.once(ctx, c.loops, turn); ok {
			c.take(r, func() []*check { return []*check{k} })
		}
	}
}

// once makes one check; false says that it did not come about, which tells nothing of the endpoint.
func (j *job) once(ctx context.Context, loops Loops, turn int) (result, bool) {
	type ended struct {
		result
		ok bool
	}
	done := make(chan ended, 1) // has room, so that the task never waits
	if !loops(turn, func(n *conn.Net) {
		n.Loop.Go("health check", func(t *loop.Task) {
			end, began := ended{}, n.Loop.Now()
			defer func() { done <- end }()
			err := loop.Timeout(t, j.spec.pace().Timeout.Std(), func() error { return j.make(t, n) })
			end.took = time.Duration(n.Loop.Now() - began)
			end.ok = !errors.Is(err, loop.ErrStopped) && !sys.IsExhausted(err) && !errors.Is(err, http1io.ErrNoBlocks)
			if err != nil {
				end.failure = connectFailure(err)
			}
		})
	}) {
		return result{}, false
	}
	select {
	case end := <-done:
		return end.result, end.ok
	case <-ctx.Done():
		return result{}, false
	}
}

func (j *job) make(t *loop.Task, n *conn.Net) error {
	k, err := conn.Dial(n, &j.to.address, 0)
	if err != nil {
		return err
	}
	return j.spec.converse(t, n, k, &j.to)
}

// converse has nothing to say: the endpoint has taken the connection.
func (*TCPSpec) converse(_ *loop.Task, _ *conn.Net, k *conn.Conn, _ *peer) error { return k.Close() }

// statusError is an answer that tells that the endpoint is not well.
type statusError int

// Error names the status.
func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

var errInterims = errors.New("interim responses without end")

// maxInterims bounds the interim responses before the one that counts.
const maxInterims = 8

// converse asks for the path and looks at the response's head.
func (s *HTTPSpec) converse(t *loop.Task, n *conn.Net, k *conn.Conn, to *peer) error {
	var stream conn.Stream = k
	status, err, multiplexes := 0, error(nil), to.multiplexes() && to.tls == nil
	if to.tls != nil {
		encrypted, protocol, err := to.tls.Connector(n.Loop, to.host, to.protocols).Connect(t, k, 0)
		if err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		stream, multiplexes = encrypted, protocol == alpnHTTP2
		if to.multiplexes() && !multiplexes {
			_ = stream.Close()
			return errNoHTTP2
		}
	}
	if multiplexes {
		status, err = s.overHTTP2(stream, to)
	} else {
		status, err = s.overHTTP1(stream, to)
	}
	if err != nil {
		return err
	}
	for i := range s.Expect {
		if s.Expect[i].has(status) {
			return nil
		}
	}
	return statusError(status)
}

// overHTTP1 asks for the path by HTTP/1.1, and closes the stream.
func (s *HTTPSpec) overHTTP1(stream conn.Stream, to *peer) (status int, err error) {
	defer func() { _ = stream.Close() }()
	if _, err := stream.Write(s.request(to)); err != nil {
		return 0, err
	}
	var head http1io.Head
	var resp http1.Response
	limits := http1.DefaultLimits()
	for range maxInterims {
		resp.Reset(http1.GET)
		_, err := head.Read(stream, &resp, &limits)
		status := resp.Status
		head.Free()
		if err != nil || status >= 200 {
			return status, err
		}
	}
	return 0, errInterims
}

// request is what is sent, with a PROXY header before it where the cluster wants one.
func (s *HTTPSpec) request(to *peer) []byte {
	var b []byte
	switch to.sendProxy { // the zero header is LOCAL, or UNKNOWN: of the proxy itself, and of no client
	case preface.V1:
		b, _ = proxyproto.AppendV1(b, proxyproto.Header{})
	case preface.V2:
		b, _ = proxyproto.AppendV2(b, proxyproto.Header{})
	}
	return fmt.Appendf(b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n", s.Path, s.host(to), userAgent)
}

// userAgent is how checks name themselves.
const userAgent = "ringway-health"

// host is what a request names.
func (s *HTTPSpec) host(to *peer) string {
	switch {
	case s.Host != "":
		return s.Host
	case !Pingable(to.host): // a Unix socket has none
		return "localhost"
	}
	return to.host
}

// connectFailure says why a check by a connection failed.
func connectFailure(err error) string {
	var status statusError
	var bad *http1.Error
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &bad):
		return "the response is no HTTP: " + bad.Msg
	case errors.Is(err, loop.ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded), sys.IsTimeout(err):
		return "no answer in time"
	case sys.IsRefused(err):
		return "connection refused"
	case sys.IsReset(err):
		return "connection reset"
	case errors.Is(err, io.EOF):
		return "closed without an answer"
	}
	if op, ok := err.(*net.OpError); ok { // without the addresses, which are told beside it
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
