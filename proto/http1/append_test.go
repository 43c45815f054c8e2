package http1

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/ringway/ringway/proto/header"
)

func TestAppendRequestLine(t *testing.T) {
	for _, tt := range []struct {
		method, path, query string
		hasQuery            bool
		want                string
	}{
		{"GET", "/a", "", false, "GET /a HTTP/1.1\r\n"},
		{"GET", "/a", "", true, "GET /a? HTTP/1.1\r\n"},
		{"M-SEARCH", "/", "b=c", true, "M-SEARCH /?b=c HTTP/1.1\r\n"},
		{"OPTIONS", "*", "", false, "OPTIONS * HTTP/1.1\r\n"},
	} {
		if got := string(AppendRequestLine([]byte("x"), []byte(tt.method), []byte(tt.path), []byte(tt.query), tt.hasQuery)); got != "x"+tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestAppendStatusLine(t *testing.T) {
	for _, tt := range []struct {
		status int
		reason string
		want   string
	}{
		{200, "OK", "HTTP/1.1 200 OK\r\n"},
		{200, "", "HTTP/1.1 200 OK\r\n"},
		{200, "Fine", "HTTP/1.1 200 Fine\r\n"},
		{599, "", "HTTP/1.1 599 \r\n"},
		{999, "X", "HTTP/1.1 999 X\r\n"},
		{100, "", "HTTP/1.1 100 Continue\r\n"},
		{511, "", "HTTP/1.1 511 Network Authentication Required\r\n"},
		{512, "", "HTTP/1.1 512 \r\n"},
	} {
		got := AppendStatusLine(nil, tt.status, []byte(tt.reason))
		if string(got) != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
		if _, err := parseResponse(t, GET, string(got)+"\r\n", &testLimits); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
}

// TestReason holds the table against net/http's, less the phrases that RFC 9110 has changed since.
func TestReason(t *testing.T) {
	changed := map[int]string{413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 418: "", 422: "Unprocessable Content"}
	for status := -1; status < 1100; status++ {
		want, ok := changed[status]
		if !ok {
			want = http.StatusText(status)
		}
		if got := Reason(status); got != want {
			t.Errorf("Reason(%d) = %q, want %q", status, got, want)
		}
	}
}

func TestAppendFields(t *testing.T) {
	const head = "GET / HTTP/1.1\r\n"
	const input = head + "Host: a\r\nA:1\r\nB: 2\r\nConnection: x\r\nC: 3\r\nD: 4\r\n\r\n"
	for _, tt := range []struct {
		name string
		do   func(r *Request)
		want string
	}{
		{"as it came", func(r *Request) {}, "Host: a\r\nA:1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"},
		{"own at the end", func(r *Request) { r.Add("E", []byte("5")); r.Add("F", nil) }, "Host: a\r\nA:1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: \r\n"},
		{"own between", func(r *Request) { r.Set("B", []byte("x")) }, "Host: a\r\nA:1\r\nB: x\r\nC: 3\r\nD: 4\r\n"},
		{"own side by side, out of order", func(r *Request) { r.Set("B", []byte("x")); r.Set("A", []byte("y")) }, "Host: a\r\nA: y\r\nB: x\r\nC: 3\r\nD: 4\r\n"},
		{"first and last removed", func(r *Request) { r.DelID(header.Host); r.Del("d") }, "A:1\r\nB: 2\r\nC: 3\r\n"},
		{"all removed", func(r *Request) { r.Reset() }, ""},
		{"own connection", func(r *Request) { r.SetID(header.Connection, []byte("close")) }, "Host: a\r\nA:1\r\nB: 2\r\nConnection: close\r\nC: 3\r\nD: 4\r\n"},
		{"no raw lines", func(r *Request) {
			for i := range r.Len() {
				r.Field(i).Line = header.Span{}
			}
			r.Add("E", []byte("5"))
		}, "Host: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(t, input, &testLimits)
			if err != nil {
				t.Fatal(err)
			}
			tt.do(r)
			if got := string(AppendFields([]byte("x"), &r.Fields)); got != "x"+tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestWritersRefuseNonsense: what would break the message up is a mistake of the caller.
func TestWritersRefuseNonsense(t *testing.T) {
	for name, do := range map[string]func(){
		"status of two digits":  func() { AppendStatusLine(nil, 99, nil) },
		"status of four digits": func() { AppendStatusLine(nil, 1000, nil) },
		"empty chunk":           func() { AppendChunkHeader(nil, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			do()
		})
	}
	if got := string(AppendLastChunk(AppendChunkHeader(nil, 0xabc), nil)); got != strconv.FormatInt(0xabc, 16)+"\r\n0\r\n\r\n" {
		t.Errorf("%q", got)
	}
}
