package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// serveGo starts net/http's server and returns its address.
func serveGo(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { closeServer(t, s) })
	return s.Listener.Addr().String()
}

// closeServer ends s. It does not wait for handlers that hang because the test has failed.
func closeServer(t testing.TB, s *httptest.Server) {
	s.CloseClientConnections()
	closed := make(chan struct{})
	go func() {
		s.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("a handler of the origin does not end")
	}
}

// seen is a request as an origin got it.
type seen struct {
	Method, Target, Host, Proto string
	Header                      http.Header
	Trailer                     http.Header
	Body                        string
	Length                      int64
	Chunked                     bool
}

// mirror is an origin that answers with what it saw, as JSON, and counts its requests.
type mirror struct {
	addr     string
	requests atomic.Int64
	conns    atomic.Int64
}

func newMirror(t testing.TB) *mirror {
	t.Helper()
	m := new(mirror)
	s := httptest.NewUnstartedServer(m)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			m.conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(func() { closeServer(t, s) })
	m.addr = s.Listener.Addr().String()
	return m
}

// ServeHTTP answers with the request.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.requests.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Origin", "mirror")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, r.Proto, r.Header, r.Trailer, string(body),
		r.ContentLength, len(r.TransferEncoding) > 0}) // a client that has left sees nothing
}

// mirrored decodes a mirror's answer.
func mirrored(t *testing.T, a answer) (s seen) {
	t.Helper()
	if a.StatusCode != 200 {
		t.Fatalf("got %s: %s", a.Status, a.text)
	}
	if err := json.Unmarshal([]byte(a.text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// serveRaw starts an origin that gives every connection to f and closes it when f returns.
func serveRaw(t testing.TB, f func(c *net.TCPConn, r *bufio.Reader)) string {
	t.Helper()
	return serveTCP(t, func(c *net.TCPConn) { f(c, bufio.NewReader(c)) })
}

// readHead reads a request's head and returns it.
func readHead(r *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return b.String(), false
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String(), true
		}
	}
}

// scripted is an origin that answers every request on a connection with the same bytes.
func scripted(t testing.TB, response string, closing bool) string {
	return serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, ok := readHead(r); !ok {
				return
			}
			if _, err := io.WriteString(c, response); err != nil || closing {
				return
			}
		}
	})
}

// refusing is an address on which nobody listens and nobody can begin to.
func refusing(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
}

// nextPort counts the ports that were given out, from a start that differs between processes.
var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid()) * 61) }

// freeAddr is an address that is free, and outside the range from which the kernel takes ports by itself.
func freeAddr() (string, error) {
	var err error
	for range 1000 {
		addr := fmt.Sprint("127.0.0.1:", 18000+nextPort.Add(1)%14000)
		var ln net.Listener
		if ln, err = net.Listen("tcp", addr); err == nil {
			return addr, ln.Close()
		}
	}
	return "", err
}

// zeros gives n bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// nginx is a running nginx that serves the files of root.
type nginx struct {
	addr string
	root string
}

const nginxConf = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  sendfile on;
  etag on;
  if_modified_since before;
  keepalive_requests 1000000;
  server {
    listen %[2]s backlog=1024;
    root %[1]s/root;
    location / { }
    location /empty { return 204; }
    location /moved { return 301 /small; }
    location /text { return 200 "text\n"; }
  }
}
`

// serveNginx starts nginx with a configuration of its own; the test's end ends it.
func serveNginx(t *testing.T) *nginx {
	t.Helper()
	dir := t.TempDir()
	n := &nginx{root: filepath.Join(dir, "root")}
	if err := os.Mkdir(n.root, 0o755); err != nil {
		t.Fatal(err)
	}
	n.file(t, "small", []byte("a small file\n"))
	n.file(t, "large", bytes.Repeat([]byte("0123456789abcdef"), 64<<10))
	n.addr = startNginx(t, dir, func(addr string) string { return fmt.Sprintf(nginxConf, dir, addr) })
	return n
}

// startNginx starts nginx in a folder with the configuration that conf makes for an address, and waits until it answers there. The
// test's end ends it.
func startNginx(t *testing.T, dir string, conf func(addr string) string) (addr string) {
	t.Helper()
	bin, file := tool(t, "nginx", "nginx-light"), filepath.Join(dir, "nginx.conf")
	for try := 0; ; try++ { // its port may be taken by another process meanwhile
		addr, err := freeAddr()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(conf(addr)), 0o600); err != nil {
			t.Fatal(err)
		}
		text, ok := runNginx(t, bin, dir, file, addr)
		if ok {
			return addr
		}
		if try == 3 {
			t.Fatalf("nginx does not start: %s", text)
		}
	}
}

// file puts a file into the root.
func (n *nginx) file(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.root, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// runNginx starts nginx and waits until it answers; false if it ended instead.
func runNginx(t *testing.T, bin, dir, conf, addr string) (string, bool) {
	t.Helper()
	out, ended := background(t, exec.Command(bin, "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", conf))
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			return out.String(), false
		default:
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return "", true
		}
	}
	return out.String(), false
}
