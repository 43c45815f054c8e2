package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBodiesUnread: bodies that nobody takes, each of which fills its window, do not hold up others on their connection.
func TestBodiesUnread(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startUntaken(t, d)
		c := r.h2()
		ctx, cancel := context.WithCancel(context.Background())
		var others sync.WaitGroup
		defer others.Wait()
		defer cancel()
		for range 60 {
			others.Go(func() {
				req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+r.addr+"/unread", bytes.NewReader(make([]byte, untaken)))
				if res, err := c.Do(req); err == nil {
					t.Errorf("answered by %s", res.Status)
					_ = res.Body.Close()
				}
			})
		}
		for until := time.Now().Add(patience); r.h2Blocks() < 60*8; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%d blocks wait", r.h2Blocks())
			}
		}
		soon, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		req, _ := http.NewRequestWithContext(soon, "POST", "http://"+r.addr+"/taken", strings.NewReader(strings.Repeat("x", untaken)))
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); string(b) != "taken" {
			t.Errorf("%s %q", res.Status, b)
		}
	})
}
