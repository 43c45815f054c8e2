package http2

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	xhttp2 "golang.org/x/net/http2"
)

// listen serves on loopback until the test ends.
func (t *testServer) listen(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go t.serve(nc)
		}
	}()
	return l.Addr().String()
}

func realClient() *http.Client {
	return &http.Client{Transport: &xhttp2.Transport{AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}}
}

// TestRealClient sets x/net's client on a Conn: bodies of many sizes both ways, at once, with trailers.
func TestRealClient(t *testing.T) {
	cfg := DefaultConfig()
	addr := (&testServer{cfg: &cfg, answer: func(r *asked) answer {
		a := echo(r)
		a.fields = append(a.fields, "trailer", "x-sum")
		a.trailers = []string{"x-sum", strconv.Itoa(len(a.body))}
		if r.trailers != nil {
			v, _ := r.trailers.GetName("x-client")
			a.trailers = append(a.trailers, "x-client", string(v))
		}
		return a
	}}).listen(t)
	client := realClient()
	var group sync.WaitGroup
	for i := range 60 {
		size := i * i * 300
		group.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, size)
			req, _ := http.NewRequest("POST", "http://"+addr+"/"+strconv.Itoa(i)+"?q", io.NopCloser(bytes.NewReader(body)))
			req.Trailer = http.Header{"X-Client": {strconv.Itoa(i)}}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, body) || resp.Header.Get("x-path") != "/"+strconv.Itoa(i) {
				t.Errorf("%d bytes for %d, %v, %v", len(got), size, resp.Header, err)
			}
			if resp.Trailer.Get("x-sum") != strconv.Itoa(size) || resp.Trailer.Get("x-client") != strconv.Itoa(i) {
				t.Errorf("trailers %v for %d bytes", resp.Trailer, size)
			}
		})
	}
	group.Wait()
}
