package http1

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ringway/ringway/proto/header"
)

func describeResponse(r *Response) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d %q HTTP/%d.%d %v %d keep=%v upgrade=%v head=%d", r.Status, r.Reason, r.Major, r.Minor, r.Framing,
		r.ContentLength, r.KeepAlive, r.Upgrade, r.HeadLen)
	describeFields(&s, &r.Fields)
	return s.String()
}

// parseResponse is parseRequest for responses.
func parseResponse(t *testing.T, method Method, input string, lim *Limits) (*Response, error) {
	t.Helper()
	var whole, split Response
	whole.Reset(method)
	n, err := whole.Parse([]byte(input), lim)
	split.Reset(method)
	var at int
	var splitErr error
	for i := 0; i <= len(input) && at == 0 && splitErr == nil; i++ {
		at, splitErr = split.Parse([]byte(input[:i]), lim)
	}
	if n != at || !errors.Is(splitErr, err) {
		t.Fatalf("%q: at once %d, %v; byte by byte %d, %v", input, n, err, at, splitErr)
	}
	if err == nil && n > 0 && describeResponse(&whole) != describeResponse(&split) {
		t.Fatalf("%q\nat once      %s\nbyte by byte %s", input, describeResponse(&whole), describeResponse(&split))
	}
	return &whole, err
}

func TestResponseAccepted(t *testing.T) {
	tests := []struct {
		name   string
		method Method
		input  string
		want   string // status, reason, framing, flags
		fields string
	}{
		{"length", GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 OK length 5 keep", "Content-Length: 5|"},
		{"length zero", GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 OK none 0 keep", "Content-Length: 0|"},
		{"equal lengths", GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "200 OK length 5 keep", "Content-Length: 5|"},
		{"chunked", GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n", "200 OK chunked -1 keep", "A: b|"},
		{"until close", GET, "HTTP/1.1 200 OK\r\n\r\n", "200 OK until-close -1", ""},
		{"no reason", GET, "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", "200  length 5 keep", "Content-Length: 5|"},
		{"long reason", GET, "HTTP/1.1 404 Not\tFound, caf\xe9 \r\nContent-Length: 5\r\n\r\n", "404 Not\tFound, caf\xe9  length 5 keep", "Content-Length: 5|"},
		{"unknown status", GET, "HTTP/1.1 999 X\r\nContent-Length: 5\r\n\r\n", "999 X length 5 keep", "Content-Length: 5|"},
		{"close", GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "200 OK length 5", "Content-Length: 5|"},
		{"1.0", GET, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 OK length 5", "Content-Length: 5|"},
		{"1.0 with keep-alive", GET, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", "200 OK length 5 keep", "Content-Length: 5|"},
		{"hop-by-hop", GET, "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: x\r\nX: 2\r\nKeep-Alive: 5\r\nDate: d\r\nContent-Length: 0\r\n\r\n", "200 OK none 0 keep", "A: 1|Date: d|Content-Length: 0|"},
		{"request fields mean nothing", GET, "HTTP/1.1 200 OK\r\nHost: a b\r\nHost:\r\nExpect: x\r\nContent-Length: 0\r\n\r\n", "200 OK none 0 keep", "Host: a b|Host:|Expect: x|Content-Length: 0|"},

		{"HEAD with length", HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 OK none 5 keep", "Content-Length: 5|"},
		{"HEAD with chunked", HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK none -1 keep", ""},
		{"HEAD with nothing", HEAD, "HTTP/1.1 200 OK\r\n\r\n", "200 OK none -1 keep", ""},
		{"304", GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 Not Modified none 5 keep", "Content-Length: 5|"},
		{"204", GET, "HTTP/1.1 204 No Content\r\n\r\n", "204 No Content none -1 keep", ""},
		{"204 with length zero", GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nA: b\r\n\r\n", "204 No Content none -1 keep", "A: b|"},
		{"204 with length", GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 No Content none -1", ""},
		{"100", POST, "HTTP/1.1 100 Continue\r\n\r\n", "100 Continue none -1 keep", ""},
		{"103", GET, "HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 0\r\n\r\n", "103 Early Hints none -1 keep", "Link: x|"},
		{"101", GET, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "101 Switching Protocols none -1 keep upgrade", ""},
		{"tunnel", CONNECT, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n", "200 OK none -1 keep", "A: b|"},
		{"tunnel with coding", CONNECT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK none -1 keep", ""},
		{"refused tunnel", CONNECT, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", "403 No length 5 keep", "Content-Length: 5|"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseResponse(t, tt.method, tt.input, &testLimits)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d %s %v %d", r.Status, r.Reason, r.Framing, r.ContentLength)
			if r.KeepAlive {
				got += " keep"
			}
			if r.Upgrade {
				got += " upgrade"
			}
			if got != tt.want || r.HeadLen != len(tt.input) {
				t.Errorf("got  %s, %d bytes\nwant %s", got, r.HeadLen, tt.want)
			}
			if got := strings.ReplaceAll(string(AppendFields(nil, &r.Fields)), "\r\n", "|"); got != tt.fields {
				t.Errorf("forwards %q\nwant     %q", got, tt.fields)
			}
		})
	}
}

func TestResponseRefused(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		input string
		want  *Error
	}{
		{"\r\nHTTP/1.1 200 OK\r\n", ErrBadStatusLine},
		{"HTTP/1.1 200 OK\n", ErrBareLF},
		{"HTTP/1.1 200 O\rK\r\n", ErrBareCR},
		{"HTTP/1.1 200\r\n", ErrBadStatusLine},
		{"HTTP/1.1  200 OK\r\n", ErrBadStatusLine},
		{"HTTP/1.1 20 OK\r\n", ErrBadStatusLine},
		{"HTTP/1.1 2000 OK\r\n", ErrBadStatusLine},
		{"HTTP/1.1 099 OK\r\n", ErrBadStatusLine},
		{"HTTP/1.1 2x0 OK\r\n", ErrBadStatusLine},
		{"HTTP/1.1 200 O\x00K\r\n", ErrBadStatusLine},
		{"HTTP/1.x 200 OK\r\n", ErrBadStatusLine},
		{"http/1.1 200 OK\r\n", ErrBadStatusLine},
		{"ICY 200 OK\r\n", ErrBadStatusLine},
		{"<html>\r\n", ErrBadStatusLine},
		{"SSH-2.0-OpenSSH_9.9\r\n", ErrBadStatusLine},
		{"HTTP/2.0 200 OK\r\n", ErrVersion},
		{"HTTP/0.9 200 OK\r\n", ErrVersion},
		{ok + "A: b\n", ErrBareLF},
		{ok + "A: b\r\n c\r\n", ErrObsFold},
		{ok + "A : b\r\n", ErrSpaceBeforeColon},
		{ok + "A: \x00\r\n", ErrBadFieldValue},
		{ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ErrFramingConflict},
		{ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", ErrFramingConflict},
		{ok + "Content-Length: 5\r\nContent-Length: 6\r\n", ErrContentLengths},
		{ok + "Content-Length: x\r\n", ErrBadContentLength},
		{ok + "Transfer-Encoding: gzip\r\n", ErrUnknownCoding},
		{ok + "Transfer-Encoding: chunked, gzip\r\n", ErrBadCoding},
		{ok + "Connection: content-length\r\n", ErrBadConnection},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", ErrCodingVersion},
		{"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", ErrBodyForbidden},
		{"HTTP/1.1 101 X\r\nTransfer-Encoding: chunked\r\n\r\n", ErrBodyForbidden},
		{"HTTP/1.1 100 X\r\nContent-Length: 5\r\n\r\n", ErrBodyForbidden},
	}
	for _, tt := range tests {
		for _, input := range []string{tt.input, tt.input + "More: fields\r\n\r\n"} {
			_, err := parseResponse(t, GET, input, &testLimits)
			var e *Error
			if !errors.As(err, &e) || e != tt.want.Response() || e.Status != 502 {
				t.Errorf("%q: %v, want %v", input, err, tt.want)
			}
		}
	}
}

func TestResponseLimits(t *testing.T) {
	lim := Limits{MaxLine: 24, MaxHead: 60, MaxFields: 2}
	for _, tt := range []struct {
		input string
		want  *Error
	}{
		{"HTTP/1.1 200 " + strings.Repeat("x", 10) + "\r\n", ErrStatusLineTooLong},
		{"HTTP/1.1 200 " + strings.Repeat("x", 11), ErrStatusLineTooLong},
		{"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 21), ErrLineTooLong},
		{"HTTP/1.1 200 OK\r\nA: 0123456789abcdef\r\nB: 0123456789abcdef\r\n\r\n", ErrHeadTooLarge},
		{"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\n", ErrTooManyFields},
	} {
		if _, err := parseResponse(t, GET, tt.input, &lim); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.input, err, tt.want)
		}
	}
	const fits = "HTTP/1.1 200 012345678\r\nA: 0123456789abcdef0\r\nB: 01234\r\n\r\n"
	if r, err := parseResponse(t, GET, fits, &lim); err != nil || r.HeadLen != len(fits) {
		t.Errorf("%d bytes, %v", len(fits), err)
	}
}

// TestResponseInterim reads interim responses and the final one from one buffer.
func TestResponseInterim(t *testing.T) {
	b := []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	var r Response
	var got []int
	for r.Status < 200 {
		r.Reset(POST)
		n, err := r.Parse(b, &testLimits)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		got = append(got, r.Status)
		b = b[n:]
	}
	if fmt.Sprint(got) != "[100 103 200]" || string(b) != "hi" || r.Framing != Length {
		t.Errorf("%v, then %q", got, b)
	}
}

func TestResponseLeavesNothingBehind(t *testing.T) {
	var r, fresh Response
	r.Reset(HEAD)
	if _, err := r.Parse([]byte("HTTP/1.0 101 X\r\nConnection: keep-alive, upgrade, x\r\nUpgrade: y\r\nContent-Length: 0\r\n\r\n"), &testLimits); err != nil {
		t.Fatal(err)
	}
	r.Reset(GET)
	fresh.Reset(GET)
	r.Fields, fresh.Fields = header.Fields{}, header.Fields{}
	if !reflect.DeepEqual(r, fresh) {
		t.Errorf("reused %+v\nfresh  %+v", r, fresh)
	}
}
