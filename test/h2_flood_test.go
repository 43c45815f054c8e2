package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Attack is a way to have a server of HTTP/2 work, or remember, for little. next does it for the n-th time.
type h2Attack struct {
	name     string
	settings []http2.Setting
	begin    func(f *frames) error
	next     func(f *frames, n int) error
	kind     string // by which the gateway counts it
}

func h2Attacks() []h2Attack {
	nothing := func(*frames) error { return nil }
	id := func(n int) uint32 { return uint32(2*n + 1) }
	unfinished := func(f *frames) error {
		return f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/")})
	}
	return []h2Attack{
		{"rapid reset (CVE-2023-44487)", nil, nothing, func(f *frames, n int) error {
			if err := f.request(id(n), "GET", "/", true); err != nil {
				return err
			}
			return f.fr.WriteRSTStream(id(n), http2.ErrCodeCancel)
		}, "resets"},
		{"made you reset (CVE-2025-8671)", nil, nothing, func(f *frames, n int) error {
			if err := f.request(id(n), "GET", "/", false); err != nil {
				return err
			}
			return f.fr.WriteWindowUpdate(id(n), 0)
		}, "faults"},
		{"CONTINUATION (CVE-2024-27316)", nil, unfinished, func(f *frames, n int) error {
			f.out.Reset()
			_ = f.enc.WriteField(hpack.HeaderField{Name: fmt.Sprint("x-", n), Value: strings.Repeat("v", 4000), Sensitive: true})
			return f.fr.WriteContinuation(1, false, f.out.Bytes())
		}, "headers"},
		{"empty CONTINUATION", nil, unfinished, func(f *frames, _ int) error { return f.fr.WriteContinuation(1, false, nil) }, "headers"},
		{"HPACK bomb", nil, func(f *frames) error { return f.request(1, "GET", "/", true, "x-big", strings.Repeat("b", 3900)) }, func(f *frames, n int) error {
			bomb := append(f.block(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"), bytes.Repeat([]byte{0x80 | 62}, 16000)...)
			return f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id(n + 1), BlockFragment: bomb, EndStream: true, EndHeaders: true})
		}, "headers"},
		{"SETTINGS (CVE-2019-9515)", nil, nothing, func(f *frames, n int) error {
			return f.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(65535 + n%2)})
		}, "control"},
		{"PING (CVE-2019-9512)", nil, nothing, func(f *frames, _ int) error { return f.fr.WritePing(false, [8]byte{1}) }, "control"},
		{"empty DATA (CVE-2019-9518)", nil, func(f *frames) error { return f.request(1, "POST", "/", false) }, func(f *frames, _ int) error { return f.fr.WriteData(1, false, nil) }, "control"},
		{"PRIORITY (CVE-2019-9513)", nil, nothing, func(f *frames, n int) error {
			return f.fr.WritePriority(id(n%1000), http2.PriorityParam{StreamDep: id((n + 7) % 1000), Weight: uint8(n)})
		}, "control"},
		{"window dribble (CVE-2019-9511)", []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1}}, func(f *frames) (err error) {
			for n := range 50 {
				err = f.request(id(n), "GET", "/large", true)
			}
			return err
		}, func(f *frames, n int) error { return f.fr.WriteWindowUpdate(id(n%50), 1) }, "control"},
		{"streams without end", nil, nothing, func(f *frames, n int) error { return f.request(id(n), "POST", "/", false) }, "control"},
	}
}

// TestH2Floods: each attack ends with the connection that it came by; memory stays flat, and who asks beside it is answered in time.
func TestH2Floods(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 100000)
	origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(large)
			return
		}
		_, _ = io.Copy(w, r.Body)
	}))
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneCluster(origin, "", ""), options{plain: true, loops: 1})
		by := h2Client(t, nil)
		h2Get(t, by, p.url("/"))
		p.floodOnce(h2Attacks()[0]) // memory that it needs for the first time
		for _, a := range h2Attacks() {
			t.Run(a.name, func(t *testing.T) {
				name := fmt.Sprintf("ringway_listener_http2_floods_total{kind=%q", a.kind)
				before, rss := p.metric(name), p.rss()
				var worst time.Duration
				for range 5 { // a machine that does other work is slow at times
					if worst = p.bystander(t, by, func() { p.flood(t, a) }); worst < 50*time.Millisecond {
						break
					}
				}
				if worst >= 50*time.Millisecond {
					t.Errorf("a request beside it took %v", worst)
				}
				if n := p.metric(name) - before; n == 0 {
					t.Errorf("none was counted as %s", a.kind)
				}
				if grown := p.rss() - rss; grown > 16<<20 {
					t.Errorf("memory grew by %d KiB", grown>>10)
				}
			})
		}
	})
}

// flood attacks again and again.
func (p *process) flood(t *testing.T, a h2Attack) {
	for range 5 {
		if code := p.floodOnce(a); code != http2.ErrCodeEnhanceYourCalm {
			t.Errorf("the connection ended with %v", code)
		}
	}
}

// floodOnce attacks until the connection ends, and tells why that did.
func (p *process) floodOnce(a h2Attack) (code http2.ErrCode) {
	f := dialFrames(p.t, p.addr, a.settings...)
	_ = f.SetDeadline(soon())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			fr, err := f.fr.ReadFrame()
			if g, ok := fr.(*http2.GoAwayFrame); ok {
				code = g.ErrCode
			}
			if _, stream := err.(http2.StreamError); err != nil && !stream {
				return
			}
		}
	}()
	err := a.begin(f)
	for n := 0; err == nil && n < 1<<20; n++ {
		select {
		case <-ended:
			err = io.EOF
		default:
			err = a.next(f, n)
		}
	}
	<-ended
	_ = f.Close()
	return code
}

// bystander does f, and tells how long the slowest request of somebody else took meanwhile.
func (p *process) bystander(t *testing.T, c *http.Client, f func()) (worst time.Duration) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	for {
		begun := time.Now()
		h2Get(t, c, p.url("/"))
		worst = max(worst, time.Since(begun))
		select {
		case <-done:
			return worst
		case <-time.After(5 * time.Millisecond):
		}
	}
}
