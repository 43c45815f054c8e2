package conn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// forger writes records of a client of TLS 1.3 by itself (RFC 8446 §5), so that it can send what crypto/tls would not.
type forger struct {
	conn   net.Conn
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func expandLabel(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(append(info, byte(len("tls13 "+label))), "tls13 "+label...), 0)
	return got(hkdf.Expand(sha256.New, secret, string(info), n))
}

func (f *forger) rekey(secret []byte) {
	f.secret, f.seq = secret, 0
	f.aead = got(cipher.NewGCM(got(aes.NewCipher(expandLabel(secret, "key", 16)))))
	f.iv = expandLabel(secret, "iv", 12)
}

// record seals one record.
func (f *forger) record(typ byte, payload string) []byte {
	inner := append([]byte(payload), typ)
	out := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+f.aead.Overhead()))
	nonce := bytes.Clone(f.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(f.seq >> (56 - 8*i))
	}
	f.seq++
	return f.aead.Seal(out, nonce, inner, out)
}

// keyUpdate demands a KeyUpdate of the peer, and changes the key.
func (f *forger) keyUpdate() []byte {
	out := f.record(22, "\x18\x00\x00\x01\x01")
	f.rekey(expandLabel(f.secret, "traffic upd", 32))
	return out
}

// forgerPair is a server of the loop and a client that forges its records and reads nothing.
func (e *env) forgerPair(t *loop.Task) (*TLS, *forger) {
	var log bytes.Buffer
	cfg := clientConfig()
	cfg.KeyLogWriter = &log
	s, k := e.tlsPair(t, tls.VersionTLS13, cfg)
	if k.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		failf("the forger only knows AES-128-GCM")
	}
	f := &forger{conn: k.NetConn()}
	for line := range strings.Lines(log.String()) {
		if w := strings.Fields(line); w[0] == "CLIENT_TRAFFIC_SECRET_0" {
			f.rekey(got(hex.DecodeString(w[2])))
		}
	}
	return s, f
}

// windowShut waits until the peer takes nothing more of what is being written.
func (e *env) windowShut(t *loop.Task, s *TLS) {
	last, since := s.c.Sent(), 0
	e.until(t, "the window is shut", func() bool {
		if now := s.c.Sent(); now != last || !s.c.wr.op.InFlight() {
			last, since = now, 0
		}
		since++
		return since > 50
	})
}

// TestTLSHostilePeer is the hang of law 5: a peer reads nothing, so that a task waits to write, and makes the task that
// reads send KeyUpdates and then an alert, which need the lock that crypto/tls holds while it writes. With a transport whose
// Write waits, the loop would stand still from there on.
func TestTLSHostilePeer(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			s, f := e.forgerPair(t)
			w := e.spawn("writer", func(*loop.Task) {
				for {
					s.SetWriteTimeout(time.Second)
					if _, err := s.Write(bytesAt(0, 64<<10)); err != nil {
						return
					}
				}
			})
			var readErr error
			r := e.spawn("reader", func(*loop.Task) {
				for readErr == nil {
					var p []byte
					if p, readErr = s.ReadBuf(); readErr == nil {
						s.Consume(len(p))
					}
				}
			})
			e.windowShut(t, s)
			must(t.Offload(func() error {
				for range 10 {
					if _, err := f.conn.Write(f.keyUpdate()); err != nil {
						return err
					}
				}
				f.seq += 1000 // a record that cannot be opened, which is answered by an alert
				_, err := f.conn.Write(f.record(23, "x"))
				return err
			}))
			join(t, r, w)
			if readErr == nil || !strings.Contains(readErr.Error(), "bad record MAC") {
				failf("the reader ends with %v", readErr)
			}
			e.closeTLS(t, s)
			_ = f.conn.Close()
		})
		e.noTLSBlocks()
	})
}

// TestTLSReplyFlood: a peer that reads nothing and demands KeyUpdates without end is no longer read from when a block of
// replies waits for it.
func TestTLSReplyFlood(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			s, f := e.forgerPair(t)
			w := e.spawn("writer", func(*loop.Task) { // until the peer's window is shut
				for {
					s.SetWriteTimeout(0)
					if _, err := s.Write(bytesAt(0, 64<<10)); err != nil {
						return
					}
				}
			})
			e.windowShut(t, s)
			wn := &noticed{}
			s.Watch(wn)
			s.Arm()
			flood := make(chan int, 1)
			go func() {
				n := 0
				_ = f.conn.SetWriteDeadline(time.Now().Add(patience))
				for {
					if _, err := f.conn.Write(append(f.keyUpdate(), f.record(23, "x")...)); err != nil {
						break
					}
					n++
				}
				flood <- n
			}()
			read := 0
			e.until(t, "reading stops", func() bool {
				if p := s.Buffered(); len(p) > 0 {
					read += len(p)
					s.Consume(len(p))
				}
				s.Arm()
				return s.stalled
			})
			// Each byte read stands for a KeyUpdate that was answered with 27 bytes.
			if most := TLSBlock/27 + 17; read > most {
				failf("%d KeyUpdates were answered, %d fit into a block", read, most)
			}
			if n := TLSBlocksInUse(e.l); n > 3 {
				failf("%d blocks are in use", n)
			}
			s.Abort()
			join(t, w)
			e.closeAll(t, s.c)
			must(t.Offload(func() error { <-flood; return nil }))
			_ = f.conn.Close()
		})
		e.noTLSBlocks()
	})
}

// TestTLSKeyUpdateAtRest: a KeyUpdate is answered without a task, and what follows is understood by both sides.
func TestTLSKeyUpdateAtRest(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			s, f := e.forgerPair(t)
			w := &noticed{}
			s.Watch(w)
			s.Arm()
			before := e.l.Stats().Spawned
			sent := s.c.Sent()
			must(t.Offload(func() error { _, err := f.conn.Write(f.keyUpdate()); return err }))
			e.until(t, "the KeyUpdate is answered", func() bool { e.l.Hurry(); return s.c.Sent() == sent+27 })
			if n := e.l.Stats().Spawned - before; n != 0 || w.readable != 0 {
				failf("%d tasks were started, the watcher was told %d times", n, w.readable)
			}
			must(t.Offload(func() error { _, err := f.conn.Write(f.record(23, "after")); return err }))
			e.until(t, "plaintext comes", func() bool { return string(s.Buffered()) == "after" })
			s.Consume(5)
			e.closeTLS(t, s)
			_ = f.conn.Close()
		})
		e.noTLSBlocks()
	})
}
