package gateway

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestHTTP2UpstreamChaos: clients of either version that leave at any moment, before a server that breaks off, answers early, is slow,
// and closes its connections. What arrives whole is right, and afterwards nothing is held.
func TestHTTP2UpstreamChaos(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {

		addr := h2Origin(t, nil, func(w http.ResponseWriter, r *http.Request) {
			switch rand.N(8) {
			case 0:
				panic(http.ErrAbortHandler)
			case 1:
				w.WriteHeader(413)
				return
			case 2:
				_, _ = io.CopyN(w, r.Body, 1000)
				panic(http.ErrAbortHandler)
			case 3:
				time.Sleep(rand.N(5 * time.Millisecond))
			case 4:
				w.Header().Set("Connection", "close") // GOAWAY
			}
			w.Header().Set("X-Whole", "1")
			_, _ = io.Copy(w, r.Body)
		})

		r := start(t, d, with{cluster: overH2 + ", pool: {connections: 3}, http2: {streams: 7}"}, addr)
		one := &http.Transport{}
		two := &http.Transport{Protocols: new(http.Protocols)}
		two.Protocols.SetUnencryptedHTTP2(true)
		var group sync.WaitGroup
		whole := make(chan struct{}, 1<<16)
		for i := range 24 {
			group.Go(func() {
				transport := []*http.Transport{one, two}[i%2]
				for range 60 {
					if chaoticRequest(t, transport, r.addr) {
						whole <- struct{}{}
					}
				}
			})
		}
		group.Wait()
		eventually(t, "clients leave", func() bool { // a connection is not idle yet when a request was given up just now
			one.CloseIdleConnections()
			two.CloseIdleConnections()
			s := r.g.Snapshot()
			return s.Listeners[0].Active == 0
		})
		if len(whole) < 100 {
			t.Errorf("only %d requests came to their end", len(whole))
		}
		r.rest()
		if u := r.upstream(); u.Streams != 0 || r.bodyBlocks() != 0 {
			t.Errorf("%d blocks are held, %+v", r.bodyBlocks(), u)
		}
	})
}

// chaoticRequest sends a body of any size and takes it back, and may lose its patience at any time. It reports whether all went well.
func chaoticRequest(t *testing.T, transport *http.Transport, addr string) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rand.N(3) == 0 {
		ctx, cancel = context.WithTimeout(ctx, rand.N(8*time.Millisecond))
		defer cancel()
	}
	body := bytes.Repeat([]byte{byte(rand.N(256)), 1, 2}, rand.N(1+1<<rand.N(17)))
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/", io.NopCloser(bytes.NewReader(body)))
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.Header.Get("X-Whole") == "" {
		return false
	}
	if !bytes.Equal(got, body) {
		t.Errorf("%s, %d bytes of %d came back without an error", resp.Status, len(got), len(body))
		return false
	}
	return true
}
