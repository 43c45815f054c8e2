package test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// newClient is net/http's client with connections of its own.
func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true, ExpectContinueTimeout: patience}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// wire is a client that says exactly what it is told.
type wire struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *wire {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(4 * patience)); err != nil {
		t.Fatal(err)
	}
	return &wire{TCPConn: c.(*net.TCPConn), t: t, r: bufio.NewReader(c)}
}

func (w *wire) send(parts ...string) {
	w.t.Helper()
	if _, err := io.WriteString(w, strings.Join(parts, "")); err != nil {
		w.t.Fatal(err)
	}
}

// answer is a response read whole.
type answer struct {
	*http.Response
	text string
}

// head reads a response's head; its body is still to come.
func (w *wire) head(method string) *http.Response {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("read response: %v", err)
	}
	return res
}

// receive reads the response to a request with that method.
func (w *wire) receive(method string) answer {
	w.t.Helper()
	res := w.head(method)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("read the body of %s: %v", res.Status, err)
	}
	return answer{res, string(body)}
}

// get sends a request for path and receives the response.
func (w *wire) get(path string) answer {
	w.t.Helper()
	w.send("GET ", path, " HTTP/1.1\r\nHost: a\r\n\r\n")
	return w.receive("GET")
}

// mustEnd expects that the gateway ends the connection without another byte.
func (w *wire) mustEnd() {
	w.t.Helper()
	rest, err := io.ReadAll(w.r)
	if len(rest) > 0 || isTimeout(err) {
		w.t.Errorf("the connection is open still, or has %q; %v", rest, err)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// problem is a problem document as clients see it.
type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	RequestID                 string `json:"request_id"`
}

// wantProblem checks that a is a problem with that status and code, that it can be found again by its ID, and that it
// tells nothing of the inside.
func wantProblem(t *testing.T, a answer, status int, code string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.text), &p); err != nil {
		t.Fatalf("%s: %q: %v", a.Status, a.text, err)
	}
	if a.StatusCode != status || p.Status != status || p.Code != code {
		t.Errorf("got %d with %s; want %d, %s", a.StatusCode, a.text, status, code)
	}
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("Content-Type is %q", ct)
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(p.RequestID) || p.Type != "urn:ringway:error:"+code || p.Title == "" {
		t.Errorf("incomplete problem: %s", a.text)
	}
	if leak := regexp.MustCompile(`127\.0\.0\.1|errno|\.go|goroutine`).FindString(a.text); leak != "" {
		t.Errorf("the problem tells %q: %s", leak, a.text)
	}
}

// expectStatus checks a response that is no problem.
func expectStatus(t *testing.T, a answer, status int, text string) {
	t.Helper()
	if a.StatusCode != status || a.text != text {
		t.Errorf("got %d %q; want %d %q", a.StatusCode, abridge(a.text), status, abridge(text))
	}
}

func abridge(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// fetch sends a request with net/http's client and reads the response whole.
func fetch(t *testing.T, c *http.Client, method, url string, body io.Reader, fields ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if strings.EqualFold(fields[i], "Host") {
			req.Host = fields[i+1]
			continue
		}
		req.Header.Add(fields[i], fields[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(text)}
}
