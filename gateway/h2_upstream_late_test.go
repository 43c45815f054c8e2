package gateway

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestHTTP2UpstreamLate: what a server has sent before it saw that a client is gone does not end the connection, which carries others'
// requests: neither a window full of small frames, nor the head of a response to a request given up long ago.
func TestHTTP2UpstreamLate(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		given := make(chan uint32, 400)
		at := frames(t, late(given))
		r := start(t, d, with{cluster: overH2}, at)
		in := r.dial()
		in.send("GET /innocent HTTP/1.1\r\nHost: x\r\n\r\n")
		<-given
		get := func(k *framed, id uint32, path string) {
			k.head(id, true, ":method", "GET", ":scheme", "http", ":path", path, ":authority", "x")
		}
		k := r.dialFramed()
		get(k, 1, "/storm")
		if status := k.told(1); status != "200" {
			t.Fatal(status)
		}
		_ = k.WriteRSTStream(1, http2.ErrCodeCancel)
		<-given
		for range 4 { // more than are remembered of streams that were given up
			k := r.dialFramed()
			for i := range 80 {
				get(k, uint32(2*i+1), "/held")
				<-given
			}
			_ = k.c.Close()
			for range 80 {
				select {
				case <-given:
				case <-time.After(patience):
					t.Fatal("streams that nobody waits for are not reset")
				}
			}
		}
		c := r.dial()
		c.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, _ := c.reply(); !strings.Contains(status, "204") {
			t.Error(status)
		}
		if status, body := in.reply(); body != "fine" {
			t.Errorf("the request beside was answered by %s %.200q", status, body)
		}
	})
}

// late is a server that sends what TestHTTP2UpstreamLate is about, and tells of the streams that it has seen begin and end.
func late(given chan<- uint32) func(k *framed, nth int) {
	return func(k *framed, nth int) {
		var innocent, old uint32
		resets := 0
		for {
			switch f := k.next().(type) {
			case nil:
				return
			case *http2.MetaHeadersFrame:
				switch f.PseudoValue("path") {
				case "/innocent":
					innocent = f.StreamID
					given <- innocent
				case "/late":
					k.head(old, true, ":status", "200", "x-late", "1")
					k.head(f.StreamID, true, ":status", "204", "x-late", "1")
					k.answer(innocent, "fine")
				case "/storm":
					k.head(f.StreamID, false, ":status", "200")
				default:
					if old == 0 {
						old = f.StreamID
					}
					given <- f.StreamID
				}
			case *http2.RSTStreamFrame:
				if resets++; f.StreamID == old || resets > 1 {
					given <- f.StreamID
					continue
				}
				for range 1300 {
					_ = k.WriteData(f.StreamID, false, make([]byte, 40))
				}
				given <- f.StreamID
			}
		}
	}
}
