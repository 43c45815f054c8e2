package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// idleSample is what one proxy holds in memory for connections at rest. PSS
// and RSS are KiB, of all its processes.
type idleSample struct {
	Round       int    `json:"round"`
	Peer        string `json:"peer"`
	Connections int    `json:"connections"`
	RSSBefore   int64  `json:"rss_before_kib"`
	RSSAfter    int64  `json:"rss_after_kib"`
	PSSBefore   int64  `json:"pss_before_kib"`
	PSSAfter    int64  `json:"pss_after_kib"`
	Failures    int64  `json:"failures"`
	FailureText string `json:"failure_text,omitempty"`
}

// rssPerConn is the growth in KiB for one connection.
func (s idleSample) rssPerConn() float64 {
	return float64(s.RSSAfter-s.RSSBefore) / float64(s.Connections)
}

// pssPerConn is the growth in KiB for one connection.
func (s idleSample) pssPerConn() float64 {
	return float64(s.PSSAfter-s.PSSBefore) / float64(s.Connections)
}

// Shape of the idle scenario.
const (
	// openers is how many connections make their request at the same time. It is
	// small so that the growth is the resting connections' and not that of a
	// crowd of requests.
	openers = 16
	// idleWarmups is how many times the openers connect and leave before the
	// first reading, which pays for code and pools that any traffic touches. Few
	// at a time: what they leave behind is taken from the growth.
	idleWarmups = 16
	// exchangeTimeout bounds one request of our own client.
	exchangeTimeout = 5 * time.Second
)

// measureIdle starts a fresh proxy, so that memory left over from a load does
// not hide the growth, opens connections that make one request each, lets them
// rest and reads the memory. A second request on each then proves that they
// were still open.
func (b *bench) measureIdle(ctx context.Context, c contender, round int) (idleSample, error) {
	p, err := b.start(ctx, c, nil)
	if err != nil {
		return idleSample{}, err
	}
	defer b.stop(p)
	open := openConn
	if c.secure {
		open = openSecureConn
	}
	for range idleWarmups {
		warm, failed := openConns(ctx, open, p.addr, openers)
		closeAll(warm)
		if failed != nil {
			return idleSample{}, p.failure(failed)
		}
	}
	if err := pause(ctx, b.options.idleWait); err != nil {
		return idleSample{}, err
	}
	before, err := readMemory(p.child.pid())
	if err != nil {
		return idleSample{}, p.failure(err)
	}
	conns, failed := openConns(ctx, open, p.addr, b.options.idleConns)
	defer closeAll(conns)
	if err := pause(ctx, b.options.idleWait); err != nil {
		return idleSample{}, err
	}
	after, err := readMemory(p.child.pid())
	if err != nil {
		return idleSample{}, p.failure(err)
	}
	sample := idleSample{
		Round: round, Peer: c.name, Connections: b.options.idleConns,
		RSSBefore: before.rss, RSSAfter: after.rss,
		PSSBefore: before.pss, PSSAfter: after.pss,
		Failures: int64(b.options.idleConns - len(conns)),
	}
	for _, conn := range conns {
		if err := exchange(conn); err != nil {
			sample.Failures++
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		sample.FailureText = firstLine(failed)
	}
	return sample, ctx.Err()
}

// openConns opens connections on which one request was answered. It returns
// those that succeeded and the first error of the others.
func openConns(ctx context.Context, open func(context.Context, string) (net.Conn, error), addr string, count int) ([]net.Conn, error) {
	var (
		group sync.WaitGroup
		mutex sync.Mutex
		conns = make([]net.Conn, 0, count)
		first error
		todo  = make(chan struct{})
	)
	for range openers {
		group.Go(func() {
			for range todo {
				conn, err := open(ctx, addr)
				mutex.Lock()
				if err == nil {
					conns = append(conns, conn)
				} else if first == nil {
					first = err
				}
				mutex.Unlock()
			}
		})
	}
	for range count {
		if ctx.Err() != nil {
			break
		}
		todo <- struct{}{}
	}
	close(todo)
	group.Wait()
	return conns, first
}

// openConn connects and makes one request.
func openConn(ctx context.Context, addr string) (net.Conn, error) {
	return ask(ctx, &net.Dialer{Timeout: exchangeTimeout}, addr)
}

// openSecureConn connects with TLS 1.3, in a full handshake, and makes one request.
func openSecureConn(ctx context.Context, addr string) (net.Conn, error) {
	return ask(ctx, &tls.Dialer{NetDialer: &net.Dialer{Timeout: exchangeTimeout},
		Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}, addr) // its certificate is nobody's
}

func ask(ctx context.Context, dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}, addr string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := exchange(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// closeAll closes the connections.
func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// exchange makes one request for the small body and reads the whole response.
// Nothing is kept between calls, because the response is all that may arrive.
func exchange(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	_, err := io.WriteString(conn, "GET "+smallPath+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	if err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<10), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	size, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || response.Close || size != smallSize {
		return fmt.Errorf("got %s, close %v, %d bytes; want 200 with %d bytes that keeps the connection",
			response.Status, response.Close, size, smallSize)
	}
	return nil
}
