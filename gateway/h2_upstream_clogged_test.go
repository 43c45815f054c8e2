package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// withholds is a server that answers with the number of the connection, and takes no more of bodies on the first one than every
// connection starts with, until it is asked for /open.
func withholds(t *testing.T, full chan<- struct{}) string {
	return frames(t, func(k *framed, nth int) {
		held := uint32(0) // whose body is not answered
		for came := 0; ; {
			switch f := k.next().(type) {
			case nil:
				return
			case *http2.MetaHeadersFrame:
				switch f.PseudoValue("path") {
				case "/held":
					held = f.StreamID
				case "/open":
					_ = k.WriteWindowUpdate(0, 1<<20)
					_ = k.WriteWindowUpdate(held, 1<<20)
				}
				if f.StreamEnded() {
					k.answer(f.StreamID, fmt.Sprint(nth))
				}
			case *http2.DataFrame:
				if came += len(f.Data()); nth == 1 && came == 65535 {
					close(full)
				}
				if f.StreamEnded() && f.StreamID != held {
					k.answer(f.StreamID, fmt.Sprint(nth))
				}
			}
		}
	})
}

// TestUploadsPassClogged: uploads that a server does not take hold up others no longer than it takes to see that, and requests without a
// body not at all.
func TestUploadsPassClogged(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		full := make(chan struct{})
		r := start(t, d, with{cluster: overH2}, withholds(t, full))
		held := r.dial()
		defer func() { _ = held.Close() }()
		held.send("POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat("x", 70000))
		<-full
		answers := make(chan string, 1)
		early, first := 0, ""
		for limit := time.Now().Add(patience); first == ""; { // the first ones may come before the connection counts as clogged
			c := r.dial()
			c.send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\nupload")
			go func() {
				_, body := c.reply()
				answers <- body
			}()
			select {
			case first = <-answers:
			case <-time.After(20 * time.Millisecond):
				early++
			}
			if time.Now().After(limit) {
				t.Fatal("no upload is answered")
			}
		}
		if first != "2" {
			t.Errorf("answered over connection %s", first)
		}
		for _, path := range []string{"", "open"} {
			c := r.dial()
			c.send("GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
			if _, body := c.reply(); body != "1" {
				t.Errorf("a request without a body is answered over connection %s", body)
			}
		}
		for range early {
			if body := heard(t, answers); body != "1" && body != "2" { // or one that was answered late
				t.Errorf("an upload that came early is answered by %q", body)
			}
		}
	})
}
