package gateway

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// inPieces is a body of many chunks, and how it travels in HTTP/1.1.
func inPieces(n int) (body, wire string) {
	var b, w strings.Builder
	for i := range n {
		piece := fmt.Sprintf("piece %04d,", i)
		b.WriteString(piece)
		fmt.Fprintf(&w, "%x\r\n%s\r\n", len(piece), piece)
	}
	return b.String(), w.String() + "0\r\n\r\n"
}

// dataOf reads up to the end of a stream, and gives what came of it and in how many frames.
func (k *framed) dataOf(id uint32) (body string, framed, empty int) {
	for {
		f := k.next()
		if f == nil {
			return body, framed, empty
		}
		if d, ok := f.(*http2.DataFrame); ok && d.StreamID == id {
			body += string(d.Data())
			if framed++; len(d.Data()) == 0 {
				empty++
			}
			if d.StreamEnded() {
				return body, framed, empty
			}
		}
	}
}

// TestSmallPieces: the small pieces that a body comes in leave together, whether they have to wait for their turn or not, and their
// end with the last of them.
func TestSmallPieces(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		const window = 65535 // that a client has without saying so
		body, wire := inPieces(1000)
		r := start(t, d, with{}, origin(t, func(c *client) {
			for {
				switch head, err := readHead(c.br); {
				case err != nil:
					return
				case strings.HasPrefix(head, "GET /large "):
					c.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n%s", strings.Repeat("x", 300000))
				default:
					c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s", wire)
				}
			}
		}))
		k := r.dialFramed()
		ask := func(id uint32, path string) {
			k.head(id, true, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", path)
		}
		ask(1, "/small")
		if got, n, empty := k.dataOf(1); got != body || n > 3 || empty > 0 {
			t.Errorf("%d bytes in %d frames, %d of them empty", len(got), n, empty)
		}
		ask(3, "/large")
		for left := window - len(body); left > 0; {
			switch f := k.next().(type) {
			case nil:
				t.Fatal("the connection has ended")
			case *http2.DataFrame:
				left -= len(f.Data())
			}
		}
		ask(5, "/small") // its pieces find another stream that waits for the connection's window
		if status := k.told(5); status != "200" {
			t.Fatal(status)
		}
		_ = k.WriteWindowUpdate(3, 1<<20)
		_ = k.WriteWindowUpdate(0, 1<<20)
		if got, n, empty := k.dataOf(5); got != body || n > 4 || empty > 0 {
			t.Errorf("beside another stream: %d bytes in %d frames, %d of them empty", len(got), n, empty)
		}
	})
}
