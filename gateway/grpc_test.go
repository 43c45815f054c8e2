package gateway

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestGRPCFailures: whatever fails, a client of gRPC gets a status, at whatever point of the response.
func TestGRPCFailures(t *testing.T) {
	begins := func(k *framed, id uint32) {
		k.head(id, false, ":status", "200", "content-type", "application/grpc")
		_ = k.WriteData(id, false, grpcMessage("whole"))
	}
	for _, test := range []struct {
		name, more string
		how        func(k *framed, id uint32)
		want       string // of the head or the trailers
		amid       bool   // the response had begun
	}{
		{"deadline", "grpc-timeout: 100m\r\n", func(*framed, uint32) {}, "grpc-status: 4\n", false},
		{"deadline amid the response", "grpc-timeout: 100m\r\n", begins, "grpc-status: 4\n", true},
		{"deadline that the server notices first", "grpc-timeout: 100m\r\n", func(k *framed, id uint32) {
			time.Sleep(94 * time.Millisecond)
			_ = k.WriteRSTStream(id, http2.ErrCodeCancel)
		}, "grpc-status: 4\n", false},
		{"deadline that the server notices first, amid the response", "grpc-timeout: 100m\r\n", func(k *framed, id uint32) {
			begins(k, id)
			time.Sleep(94 * time.Millisecond)
			_ = k.WriteRSTStream(id, http2.ErrCodeCancel)
		}, "grpc-status: 4\n", true},
		{"cancelled long before the deadline", "grpc-timeout: 100S\r\n", func(k *framed, id uint32) { _ = k.WriteRSTStream(id, http2.ErrCodeCancel) }, "grpc-status: 1\n", false},
		{"a timeout that is none", "grpc-timeout: 100x\r\n", func(k *framed, id uint32) {
			begins(k, id)
			k.head(id, true, "grpc-status", "0")
		}, "grpc-status: 0\n", true},
		{"trailers only", "", func(k *framed, id uint32) {
			k.head(id, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "none")
		}, "grpc-status: 5\ngrpc-message: none\n", false},
		{"stream reset", "", func(k *framed, id uint32) { _ = k.WriteRSTStream(id, http2.ErrCodeInternal) }, "grpc-status: 13\n", false},
		{"stream reset amid the response", "", func(k *framed, id uint32) {
			begins(k, id)
			_ = k.WriteRSTStream(id, http2.ErrCodeEnhanceYourCalm)
		}, "grpc-status: 8\n", true},
		{"connection closed", "", func(k *framed, id uint32) { _ = k.c.Close() }, "grpc-status: 14\n", false},
		{"connection closed amid the response", "", func(k *framed, id uint32) {
			begins(k, id)
			_ = k.c.Close()
		}, "grpc-status: 14\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
					id, body := k.request()
					if body != "hello" {
						t.Errorf("body %q", body)
					}
					test.how(k, id)
					for k.next() != nil {
					}
				}))
				c := r.dial()
				c.send("POST /a.B/C HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc+proto\r\nTE: trailers\r\n%sContent-Length: 5\r\n\r\nhello", test.more)
				got := strings.ToLower(c.head())
				if !strings.HasPrefix(got, "http/1.1 200 ok\n") || !strings.Contains(got, "content-type: application/grpc") {
					t.Errorf("head %q", got)
				}
				if test.amid {
					got = chunked(c)
				}
				if !strings.Contains(got, test.want) {
					t.Errorf("no %q in %q", test.want, got)
				}
				_ = c.Close()
			})
		})
	}
}

// TestGRPCWithLength: the status of a response whose length is told as well reaches a client of HTTP/1.1, where trailers and a length
// exclude each other.
func TestGRPCWithLength(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
			id, _ := k.request()
			k.head(id, false, ":status", "200", "content-type", "application/grpc", "content-length", "5")
			_ = k.WriteData(id, false, []byte("hello"))
			k.head(id, true, "grpc-status", "0")
			k.next()
		}))
		c := r.dial()
		c.send("POST /a.B/C HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 0\r\n\r\n")
		if h := strings.ToLower(c.head()); !strings.Contains(h, "transfer-encoding: chunked\n") || strings.Contains(h, "content-length:") {
			t.Fatalf("head %q", h)
		}
		if got := strings.ToLower(chunked(c)); got != "hello|grpc-status: 0\n" {
			t.Errorf("got %q", got)
		}
		_ = c.Close()
	})
}

// TestGRPCWithoutServer: errors of routing and of connecting.
func TestGRPCWithoutServer(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2 + ", retries: 0", route: "path: /a.B/*"}, refusing(t))
		c := r.dial()
		for path, want := range map[string]string{"/a.B/C": "grpc-status: 14\n", "/x.Y/Z": "grpc-status: 12\n"} {
			c.send("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n", path)
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 OK\n") || !strings.Contains(h, want) {
				t.Errorf("%s: %q", path, h)
			}
		}
		_ = c.Close()
	})
}

// TestGRPCWeb: both forms of gRPC-Web, from a client of HTTP/1.1 to a server of gRPC, and errors in the client's terms.
func TestGRPCWeb(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2, route: "filters: [{grpc_web: {}}]"}, frames(t, func(k *framed, _ int) {
			for {
				id, body := k.request()
				if id == 0 {
					return
				}
				k.head(id, false, ":status", "200", "content-type", "application/grpc+proto")
				_ = k.WriteData(id, false, []byte(body+"!"))
				k.head(id, true, "grpc-status", "0")
			}
		}))
		const tail = "\x80\x00\x00\x00\x10grpc-status: 0\r\n"
		encode := base64.StdEncoding.EncodeToString
		c := r.dial()
		for _, test := range []struct{ contentType, body, want string }{
			{"application/grpc-web+proto", "hello", "hello!" + tail},
			{"application/grpc-web-text+proto", encode([]byte("hello")), encode([]byte("hello!")) + encode([]byte(tail))},
		} {
			c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", test.contentType, len(test.body), test.body)
			if h := c.head(); !strings.Contains(strings.ToLower(h), "content-type: "+test.contentType+"\n") {
				t.Errorf("head %q", h)
			}
			if got := chunked(c); got != test.want+"|" {
				t.Errorf("%s: %q, want %q", test.contentType, got, test.want)
			}
		}
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 4\r\n\r\n****")
		if h := c.head(); !strings.Contains(h, "Content-Type: application/grpc-web-text\n") || !strings.Contains(h, "grpc-status: 13\n") {
			t.Errorf("head %q", h)
		}
		_ = c.Close()
	})
}
