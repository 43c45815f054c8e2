package test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// memoryBound is how much the gateway's resident memory may grow while a body of any size passes.
const memoryBound = 64 << 20

// bodySize is the size of the bodies that pass in constant memory.
func bodySize() int64 {
	switch {
	case os.Getenv("RINGWAY_LONG") != "":
		return 10 << 30
	case testing.Short(), raceEnabled: // it is the test's own ends that the race detector slows down, the gateway goes without
		return 128 << 20
	}
	return 512 << 20
}

// watchRSS notes the largest growth of p's memory until stop is called.
func (p *process) watchRSS() (stop func() int64) {
	base, most := p.rss(), int64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			most = max(most, p.rss()-base)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return most
	}
}

// TestLargeBodies: bodies pass in constant memory, down from nginx and up to net/http, with a length and chunked.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	size := bodySize()
	driversAtOnce(t, func(t *testing.T, driver string) {
		t.Run("download", func(t *testing.T) {
			n := serveNginx(t)
			sparse(t, filepath.Join(n.root, "huge"), size)
			download(t, driver, n.addr, size)
		})
		t.Run("download chunked", func(t *testing.T) {
			download(t, driver, serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/huge" {
					_, _ = io.Copy(w, zeros(size)) // the reader counts
				}
			})), size)
		})
		t.Run("upload", func(t *testing.T) { upload(t, driver, size, size) })
		t.Run("upload chunked", func(t *testing.T) { upload(t, driver, size, -1) })
	})
}

func sparse(t *testing.T, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}

func download(t *testing.T, driver, origin string, size int64) {
	p := start(t, driver, oneCluster(origin, "", ""), options{plain: true})
	c := newClient(t)
	fetch(t, c, "GET", p.url("/small"), nil).Body.Close()
	stop := p.watchRSS()
	res, err := c.Get(p.url("/huge"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	grown := stop()
	if err != nil || n != size {
		t.Errorf("%d of %d bytes, %v", n, size, err)
	}
	if grown > memoryBound {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	t.Logf("%d MiB passed, memory grew by %d KiB", size>>20, grown>>10)
}

func upload(t *testing.T, driver string, size, length int64) {
	origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	p := start(t, driver, oneCluster(origin, "", ""), options{plain: true})
	stop := p.watchRSS()
	req, err := http.NewRequest("POST", p.url("/"), zeros(size))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = length
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	grown := stop()
	if want := fmt.Sprint(size, nil); err != nil || string(text) != want {
		t.Errorf("origin got %q, want %q; %v", text, want, err)
	}
	if grown > memoryBound {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	t.Logf("%d MiB passed, memory grew by %d KiB", size>>20, grown>>10)
}

// TestContents: bodies of many sizes around the limits of buffers, chunks and splice come out as they went in.
func TestContents(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "chunked" {
				w.Header().Set("Content-Length", r.URL.Path[1:])
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(body) // the client compares
		}))
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		c := newClient(t)
		for _, size := range []int{1, 4095, 4096, 4097, 8191, 8192, 32 << 10, 32<<10 + 1, 48<<10 - 1, 48 << 10, 100_000, 1 << 20, 5<<20 + 3} {
			for _, query := range []string{"", "?chunked"} {
				body := noise(size)
				a := fetch(t, c, "POST", p.url(fmt.Sprint("/", size, query)), &slowReader{data: body})
				if sha256.Sum256([]byte(a.text)) != sha256.Sum256(body) {
					t.Errorf("%d bytes%s: other bytes came back (%d)", size, query, len(a.text))
				}
			}
		}
	})
}

// noise is size bytes of no pattern, the same every time.
func noise(size int) []byte {
	b := make([]byte, size)
	x := uint32(size) | 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// slowReader gives pieces of odd sizes, so that they meet no buffer's end.
type slowReader struct {
	data []byte
	n    int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	r.n = (r.n*7 + 1013) % 50021
	n := copy(p[:min(len(p), r.n+1)], r.data)
	r.data = r.data[n:]
	return n, nil
}

// bufferBound is what may lie between two peers who do not read: the sockets' buffers on both sides of the gateway.
const bufferBound = 48 << 20

// TestBackPressure: who does not read is not read for.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		for _, query := range []string{"", "chunked"} {
			t.Run("slow client "+query, func(t *testing.T) { testSlowClient(t, driver, query) })
		}
		t.Run("slow origin", func(t *testing.T) { testSlowOrigin(t, driver) })
	})
}

func testSlowClient(t *testing.T, driver, query string) {
	var sent atomic.Int64
	origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			w.Header().Set("Content-Length", fmt.Sprint(4<<30))
		}
		copyCounting(w, zeros(4<<30), &sent)
	}))
	p := start(t, driver, oneCluster(origin, "", ""), options{plain: true})
	stop := p.watchRSS()
	w := dial(t, p.addr)
	w.send("GET /?", query, " HTTP/1.1\r\nHost: a\r\n\r\n")
	res := w.head("GET")
	stuck := settle(t, &sent)
	if stuck > bufferBound {
		t.Errorf("the origin could send %d MiB to a client that reads nothing", stuck>>20)
	}
	if _, err := io.CopyN(io.Discard, res.Body, 2*stuck); err != nil { // it goes on when the client does
		t.Error(err)
	}
	if grown := stop(); grown > memoryBound {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	w.Close()
}

func testSlowOrigin(t *testing.T, driver string) {
	release := make(chan struct{})
	origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	p := start(t, driver, oneCluster(origin, "", ""), options{plain: true})
	const size = 200 << 20
	var sent atomic.Int64
	pr, pw := io.Pipe()
	go func() {
		copyCounting(pw, zeros(size), &sent)
		pw.Close()
	}()
	result := make(chan string, 1)
	c := newClient(t)
	go func() {
		res, err := c.Post(p.url("/"), "", pr)
		if err != nil {
			result <- err.Error()
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		result <- string(text)
	}()
	if stuck := settle(t, &sent); stuck > bufferBound {
		t.Errorf("the client could send %d MiB to an origin that reads nothing", stuck>>20)
	}
	close(release)
	if got := <-result; got != fmt.Sprint(size) {
		t.Errorf("afterwards: %s", got)
	}
}

// copyCounting copies until the writer fails or the reader ends.
func copyCounting(w io.Writer, r io.Reader, n *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		if k > 0 {
			if _, err := w.Write(buf[:k]); err != nil {
				return
			}
			n.Add(int64(k))
		}
		if err != nil {
			return
		}
	}
}

// settle waits until the counter has risen and then stands still for a while.
func settle(t *testing.T, n *atomic.Int64) int64 {
	t.Helper()
	last, since := int64(0), time.Now()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now := n.Load()
		if now != last {
			last, since = now, time.Now()
		} else if now > 0 && time.Since(since) > 700*time.Millisecond {
			return now
		}
	}
	t.Fatalf("it never stands still; %d bytes", n.Load())
	return 0
}
