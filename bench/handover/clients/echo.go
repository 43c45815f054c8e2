package clients

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// The request that asks for a tunnel: a WebSocket's, as proxies pass on no others unless told to. The answer's fields may be in any
// order, and proxies may add some. What follows is no WebSocket's frames, which no proxy looks at.
const (
	askForTunnel = "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	accepting = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	switching = "HTTP/1.1 101 "
	headEnd   = "\r\n\r\n"
)

// goOver makes an HTTP connection a tunnel. The answer is read byte by byte, so that nothing behind it is.
func goOver(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, askForTunnel); err != nil {
		return err
	}
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), headEnd); head = append(head, b...) {
		if _, err := io.ReadFull(c, b); err != nil {
			return fmt.Errorf("the upgrade is answered by %q: %w", head, err)
		}
	}
	if !strings.HasPrefix(string(head), switching) {
		return fmt.Errorf("the upgrade is answered by %q", head)
	}
	return nil
}

// row is how many numbers are sent at a time, at most.
const row = 64

// echo sends numbers through one connection and expects them back, each once and in order. When it is broken off, another one
// follows.
func (l *Load) echo(kind string, count *Count, i int, address string, tunnel bool) {
	for !l.stopped() {
		c, err := net.Dial("tcp", address)
		if err == nil {
			if tunnel {
				err = goOver(c)
			}
			if err == nil {
				err = l.numbers(c, count, i)
			}
			c.Close()
		}
		if err != nil {
			l.fault(count, "%s %d: %v", kind, i, err)
			l.rest()
		}
	}
}

// numbers uses a connection until the clients are stopped.
func (l *Load) numbers(c net.Conn, count *Count, i int) error {
	buf := make([]byte, 8*row)
	for next := uint64(0); !l.stopped(); {
		n := 1 + rand.IntN(row)
		for k := range n {
			binary.BigEndian.PutUint64(buf[8*k:], next+uint64(k))
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(buf[:8*n]); err != nil {
			return fmt.Errorf("at %d: %w", next, err)
		}
		if _, err := io.ReadFull(c, buf[:8*n]); err != nil {
			return fmt.Errorf("at %d: %w", next, err)
		}
		for k := range n {
			if got := binary.BigEndian.Uint64(buf[8*k:]); got != next+uint64(k) {
				return fmt.Errorf("got %d instead of %d", got, next+uint64(k))
			}
		}
		next += uint64(n)
		count.Done.Add(int64(n))
		if i%2 == 0 {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		}
	}
	return nil
}
