package test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Client is net/http's client, which speaks HTTP/2 only: over TLS if it has authorities, otherwise with prior knowledge.
func h2Client(t testing.TB, authorities *x509.CertPool) *http.Client {
	p := new(http.Protocols)
	tr := &http.Transport{DisableCompression: true, Protocols: p, ExpectContinueTimeout: patience}
	if authorities != nil {
		p.SetHTTP2(true)
		tr.TLSClientConfig = &tls.Config{RootCAs: authorities}
	} else {
		p.SetUnencryptedHTTP2(true)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// pool are the authorities of a file.
func pool(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	p := x509.NewCertPool()
	if err != nil || !p.AppendCertsFromPEM(text) {
		t.Fatal("no authorities: ", err)
	}
	return p
}

// frames is a client of HTTP/2 that says exactly what it is told, frame by frame, with x/net's framer.
type frames struct {
	net.Conn
	t    testing.TB
	fr   *http2.Framer
	enc  *hpack.Encoder
	dec  *hpack.Decoder
	out  bytes.Buffer
	mean bool // it gives no window for what it has got
}

// dialFrames connects and exchanges the prefaces; the gateway's SETTINGS are acknowledged when they come.
func dialFrames(t testing.TB, addr string, settings ...http2.Setting) *frames {
	t.Helper()
	w := dial(t, addr)
	f := newFrames(t, w.TCPConn)
	w.send(http2.ClientPreface)
	f.must(f.fr.WriteSettings(settings...))
	return f
}

func newFrames(t testing.TB, c net.Conn) *frames {
	f := &frames{Conn: c, t: t, fr: http2.NewFramer(c, c)}
	f.fr.AllowIllegalWrites = true
	f.fr.SetMaxReadFrameSize(1 << 20)
	f.enc, f.dec = hpack.NewEncoder(&f.out), hpack.NewDecoder(4096, nil)
	return f
}

func (f *frames) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// block encodes fields, given as names and values.
func (f *frames) block(fields ...string) []byte {
	f.out.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // to memory
	}
	return bytes.Clone(f.out.Bytes())
}

// request sends a head with the usual pseudo-header fields.
func (f *frames) request(id uint32, method, path string, end bool, fields ...string) error {
	all := append([]string{":method", method, ":scheme", "http", ":authority", "a.example", ":path", path}, fields...)
	return f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block(all...), EndStream: end, EndHeaders: true})
}

// next reads a frame; SETTINGS and PING are answered on the way and not returned.
func (f *frames) next() (http2.Frame, error) {
	for {
		fr, err := f.fr.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if !fr.IsAck() {
				_ = f.fr.WriteSettingsAck() // what fails shows at the next read
			}
		case *http2.PingFrame:
			if !fr.IsAck() {
				_ = f.fr.WritePing(true, fr.Data)
				continue
			}
			return fr, nil
		case *http2.WindowUpdateFrame:
		default:
			return fr, nil
		}
	}
}

// told is what came of one stream.
type told struct {
	fields map[string]string // of the last head, :status among them
	heads  []string          // the statuses
	body   []byte
	code   http2.ErrCode
	reset  bool
	ended  bool
}

// await reads until a stream has ended, and tells what came of all meanwhile.
func (f *frames) await(id uint32) map[uint32]*told {
	f.t.Helper()
	all := map[uint32]*told{}
	for {
		fr, err := f.next()
		if err != nil {
			f.t.Fatalf("before the end of stream %d: %v", id, err)
		}
		f.note(all, fr)
		if s := all[id]; s != nil && (s.ended || s.reset) {
			return all
		}
	}
}

// note adds a frame to what came.
func (f *frames) note(all map[uint32]*told, fr http2.Frame) {
	f.t.Helper()
	id := fr.Header().StreamID
	if all[id] == nil {
		all[id] = &told{fields: map[string]string{}}
	}
	s := all[id]
	switch fr := fr.(type) {
	case *http2.HeadersFrame:
		list, err := f.dec.DecodeFull(fr.HeaderBlockFragment())
		if err != nil {
			f.t.Fatal(err)
		}
		for _, h := range list {
			if h.Name == ":status" {
				s.heads = append(s.heads, h.Value)
			}
			s.fields[h.Name] = h.Value
		}
		s.ended = fr.StreamEnded()
	case *http2.DataFrame:
		s.body = append(s.body, fr.Data()...)
		s.ended = fr.StreamEnded()
		if n := uint32(len(fr.Data())); n > 0 && !f.mean {
			_ = f.fr.WriteWindowUpdate(0, n)
			if !s.ended {
				_ = f.fr.WriteWindowUpdate(id, n)
			}
		}
	case *http2.RSTStreamFrame:
		s.reset, s.code = true, fr.ErrCode
	}
}

// goneAway reads on until the connection ends and returns the codes of the GOAWAYs, with the last streams they name.
func (f *frames) goneAway() (all []string) {
	f.t.Helper()
	for {
		fr, err := f.next()
		if err != nil {
			if isTimeout(err) {
				f.t.Errorf("the connection is open still")
			}
			return all
		}
		if g, ok := fr.(*http2.GoAwayFrame); ok {
			last := fmt.Sprint(g.LastStreamID)
			if g.LastStreamID == 1<<31-1 {
				last = "any"
			}
			all = append(all, fmt.Sprint(g.ErrCode, " ", last))
		}
	}
}

// h2Get gets a URL and reads the answer whole.
func h2Get(t testing.TB, c *http.Client, url string) answer {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, res)
}

// readAnswer reads a response whole.
func readAnswer(t testing.TB, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the body of %s: %v", res.Status, err)
	}
	return answer{res, string(text)}
}

// soon is a deadline by which something must have come that takes no time by itself.
func soon() time.Time { return time.Now().Add(patience) }
