package conn

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/ringway/ringway/loop"
)

// TestInsideTLS: crypto/tls is built as we know it. If a new Go fails here, tls_inside.go says what it costs and what to look for.
func TestInsideTLS(t *testing.T) {
	if !insideTLS.known {
		t.Error("crypto/tls.Conn has not the buffers that are looked for")
	}
	tests := []struct {
		name string
		conn any
		want bool
	}{
		{"as it is", struct {
			rawInput bytes.Buffer
			input    bytes.Reader
			hand     bytes.Buffer
		}{}, true},
		{"no such field", struct {
			rawInput bytes.Buffer
			input    bytes.Reader
		}{}, false},
		{"another type", struct {
			rawInput []byte
			input    bytes.Reader
			hand     bytes.Buffer
		}{}, false},
		{"a pointer", struct {
			rawInput bytes.Buffer
			input    *bytes.Reader
			hand     bytes.Buffer
		}{}, false},
	}
	for _, test := range tests {
		if got := findTLSBuffers(reflect.TypeOf(test.conn)); got.known != test.want {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

// TestTLSOutsideOnly: where crypto/tls is not as we know it, it is used as it offers itself.
func TestTLSOutsideOnly(t *testing.T) {
	before := insideTLS
	insideTLS = tlsBuffers{}
	defer func() { insideTLS = before }()
	t.Run("both sides", TestTLSBothSides)
	t.Run("truncated", TestTLSTruncated)
	t.Run("hostile peer", TestTLSHostilePeer)
}

// send writes what a peer says, outside of the loop.
func (e *env) send(t *loop.Task, c net.Conn, p []byte) {
	must(t.Offload(func() error { _, err := c.Write(p); return err }))
}

// TestTLSRecordInPieces cuts records everywhere: what has come of one is gathered and tells nobody anything, and the whole does.
func TestTLSRecordInPieces(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			s, f := e.forgerPair(t)
			w := &noticed{}
			s.Watch(w)
			s.Arm()
			told := 0
			cut := func(text string, at int) {
				rec := f.record(23, text)
				e.send(t, f.conn, rec[:at])
				e.until(t, "the piece is there", func() bool { return s.have == min(at, tlsHeader) && (at < tlsHeader || len(s.part) == at) })
				if w.readable != told || s.Buffered() != nil || TLSBlocksInUse(e.l) != 0 {
					failf("a piece of %d bytes tells something", at)
				}
				e.send(t, f.conn, rec[at:])
				told++
				e.until(t, "the watcher is told", func() bool { return w.readable == told })
				if p := s.Buffered(); string(p) != text {
					failf("%d bytes came, and not those sent", len(p))
				}
				s.Consume(len(text))
				s.Arm()
			}
			for at := 1; at < len("hello")+tlsHeader+17; at++ {
				cut("hello", at)
			}
			full := strings.Repeat("0123456789abcdef", tlsPlain/16)
			for _, at := range []int{1, 5, 6, 4096, tlsPlain, tlsPlain + 21} {
				cut(full, at)
			}
			if s.part != nil || s.have != 0 {
				failf("something is left of a record")
			}
			e.closeTLS(t, s)
			_ = f.conn.Close()
		})
	})
}

// TestTLSOddRecords: records without plaintext, and a message of the handshake in pieces of a byte, between others.
func TestTLSOddRecords(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			s, f := e.forgerPair(t)
			var all []byte
			add := func(p []byte) { all = append(all, p...) }
			add(f.record(23, ""))
			add(f.record(23, "one "))
			for _, c := range "\x18\x00\x00\x01" {
				add(f.record(22, string(c)))
			}
			add(f.record(22, "\x00"))
			f.rekey(expandLabel(f.secret, "traffic upd", 32))
			add(f.record(23, ""))
			add(f.record(23, "two"))
			add(f.record(21, "\x01\x00"))
			e.send(t, f.conn, all)
			var got []byte
			for {
				p, err := s.ReadBuf()
				if err == io.EOF {
					break
				}
				must(err)
				got = append(got, p...)
				s.Consume(len(p))
			}
			if string(got) != "one two" {
				failf("got %q", got)
			}
			e.closeTLS(t, s)
			_ = f.conn.Close()
		})
	})
}

// TestTLSCutAmidRecord: an end within a record is no end, wherever it is.
func TestTLSCutAmidRecord(t *testing.T) {
	for _, test := range []struct {
		name string
		at   int
		want error
	}{
		{"between two", 0, io.EOF},
		{"in the header", 3, io.ErrUnexpectedEOF},
		{"behind the header", tlsHeader, io.ErrUnexpectedEOF},
		{"in the content", tlsHeader + 3, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachReceive(t, func(e *env) {
				e.run(func(t *loop.Task) {
					s, f := e.forgerPair(t)
					e.send(t, f.conn, f.record(23, "hello"))
					s.Consume(len(got(s.ReadBuf())))
					e.send(t, f.conn, f.record(23, "world")[:test.at])
					_ = f.conn.Close()
					if _, err := s.ReadBuf(); err != test.want {
						failf("the server reads %v", err)
					}
					e.closeTLS(t, s)
				})
			})
		})
	}
}

// TestTLSBadRecords are refused with an alert, by their header alone where that says enough.
func TestTLSBadRecords(t *testing.T) {
	for _, test := range []struct {
		name, record string
	}{
		{"longer than any", "\x17\x03\x03\x48\x01"},
		{"longer than those of TLS 1.3", "\x17\x03\x03\x48\x00" + strings.Repeat("x", 0x4800)},
		{"another version", "\x17\x02\x03\x00\x01x"},
		{"forged", "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)},
		{"empty", "\x17\x03\x03\x00\x00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachReceive(t, func(e *env) {
				e.run(func(t *loop.Task) {
					s, k := e.tlsPair(t, tls.VersionTLS13, clientConfig())
					alert := make(chan error, 1)
					go func() { _, err := k.Read(make([]byte, 1)); alert <- err }()
					e.send(t, k.NetConn(), []byte(test.record))
					if _, err := s.ReadBuf(); err == nil || err == io.EOF {
						failf("the server reads on: %v", err)
					}
					_ = s.Close()
					must(t.Offload(func() error {
						if err := <-alert; err == nil || !strings.Contains(err.Error(), "remote error: tls:") {
							t.Loop().Log().Error("the client is told nothing", "err", err)
							return io.ErrNoProgress
						}
						return nil
					}))
					e.closeTLS(t, s)
					_ = k.Close()
				})
			})
		})
	}
}
