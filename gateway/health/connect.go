package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
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
// made, in a task; the caller closes it.
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
}

func (p *peer) same(o *peer) bool {
	return p.address.String() == o.address.String() && p.host == o.host && p.tls.Same(o.tls) && p.sendProxy == o.sendProxy
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
	defer func() {
		if !k.Closed() {
			_ = k.Close() // all that was to be learnt is known
		}
	}()
	return j.spec.converse(t, n, k, &j.to)
}

// converse has nothing to say: the endpoint has taken the connection.
func (*TCPSpec) converse(*loop.Task, *conn.Net, *conn.Conn, *peer) error { return nil }

// statusError is an answer that tells that the endpoint is not well.
type statusError int

// Error names the status.
func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

// maxInterims bounds the interim responses before the one that counts.
const maxInterims = 8

// converse asks for the path and looks at the response's head.
func (s *HTTPSpec) converse(t *loop.Task, n *conn.Net, k *conn.Conn, to *peer) error {
	var stream conn.Stream = k
	request := s.request(to)
	if to.tls != nil {
		encrypted, _, err := to.tls.Connector(n.Loop, to.host, []string{"http/1.1"}).Connect(t, k, 0)
		if err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		defer func() { _ = encrypted.Close() }()
		stream = encrypted
	}
	if _, err := stream.Write(request); err != nil {
		return err
	}
	var head http1io.Head
	var resp http1.Response
	limits := http1.DefaultLimits()
	for range maxInterims {
		resp.Reset(http1.GET)
		_, err := head.Read(stream, &resp, &limits)
		status := resp.Status
		head.Free()
		if err != nil {
			return err
		}
		if status < 200 {
			continue
		}
		for i := range s.Expect {
			if s.Expect[i].has(status) {
				return nil
			}
		}
		return statusError(status)
	}
	return errors.New("interim responses without end")
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
	host := s.Host
	if host == "" {
		if host = to.host; !Pingable(host) {
			host = "localhost" // a Unix socket has none
		}
	}
	return fmt.Appendf(b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ringway-health\r\nAccept: */*\r\nConnection: close\r\n\r\n", s.Path, host)
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
	var op *net.OpError
	if errors.As(err, &op) { // without the addresses, which are told beside it
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
