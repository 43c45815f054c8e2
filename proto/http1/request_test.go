package http1

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ringway/ringway/proto/header"
)

var testLimits = DefaultLimits()

// describe renders all that parsing made of a request.
func describe(r *Request) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s %q", r.Method, r.Form, r.MethodToken)
	fmt.Fprintf(&s, " target=%q scheme=%q authority=%q path=%q query=%q,%v", r.Target, r.Scheme, r.Authority, r.Path, r.Query, r.HasQuery)
	fmt.Fprintf(&s, " HTTP/%d.%d %v %d keep=%v expect=%v upgrade=%v head=%d", r.Major, r.Minor, r.Framing, r.ContentLength,
		r.KeepAlive, r.ExpectContinue, r.Upgrade, r.HeadLen)
	describeFields(&s, &r.Fields)
	return s.String()
}

func describeFields(s *strings.Builder, f *header.Fields) {
	for i := range f.Len() {
		name, value, ok := f.At(i)
		if ok {
			fmt.Fprintf(s, "\n%s=%q %v %b", name, value, f.Field(i).ID, f.Field(i).Flags)
		}
	}
	fmt.Fprintf(s, "\n%q", AppendFields(nil, f))
}

// parseRequest parses input at once and once more byte by byte, each time from another place in memory, and wants both to be
// the same. Bytes that follow the input must change nothing.
func parseRequest(t *testing.T, input string, lim *Limits) (*Request, error) {
	t.Helper()
	var whole, split, more Request
	whole.Reset()
	n, err := whole.Parse([]byte(input), lim)
	split.Reset()
	var at int
	var splitErr error
	for i := 0; i <= len(input) && at == 0 && splitErr == nil; i++ {
		at, splitErr = split.Parse([]byte(input[:i]), lim)
	}
	if n != at || !errors.Is(splitErr, err) {
		t.Fatalf("%q: at once %d, %v; byte by byte %d, %v", input, n, err, at, splitErr)
	}
	if err != nil {
		if _, again := whole.Parse([]byte(input), lim); !errors.Is(again, err) {
			t.Errorf("%q: %v, and again %v", input, err, again)
		}
		return &whole, err
	}
	if n == 0 {
		return &whole, nil
	}
	if a, b := describe(&whole), describe(&split); a != b {
		t.Fatalf("%q\nat once      %s\nbyte by byte %s", input, a, b)
	}
	more.Reset()
	if m, err := more.Parse([]byte(input[:n]+"GET / HTTP/1.1\r\n: bad\n"), lim); m != n || err != nil || describe(&more) != describe(&whole) {
		t.Fatalf("%q: with more behind it %d, %v", input, m, err)
	}
	moved := []byte(input)
	before := describe(&whole)
	whole.Rebase(moved)
	if describe(&whole) != before {
		t.Fatalf("%q: changed by Rebase", input)
	}
	return &whole, nil
}

var requestsAccepted = []struct {
	name, input string
	want        string // "METHOD form authority path query framing" and flags
	fields      string // what is forwarded
}{
	{"smallest", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin-form a / none keep", "Host: a|"},
	{"empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin-form a / none keep", "Host: a|"},
	{"query", "GET /a/b?c=d?e HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET origin-form a:80 /a/b ?c=d?e none keep", "Host: a:80|"},
	{"empty query", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin-form a /a ? none keep", "Host: a|"},
	{"long target", "GET /0123456789abcdef0123456789?x HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin-form a /0123456789abcdef0123456789 ?x none keep", "Host: a|"},
	{"odd target", "GET //a/{b}|\"^` HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin-form a //a/{b}|\"^` none keep", "Host: a|"},
	{"own method", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", " origin-form a / none keep", "Host: a|"},
	{"lower case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", " origin-form a / none keep", "Host: a|"},
	{"white space around values", "GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\nY: \t\r\nZ:a\tb  c\r\n\r\n", "GET origin-form a / none keep", "Host:\t a \t|X:|Y: \t|Z:a\tb  c|"},
	{"bytes above 0x7F", "GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9 \xff\r\n\r\n", "GET origin-form a / none keep", "Host: a|X: caf\xc3\xa9 \xff|"},
	{"later minor version", "GET / HTTP/1.7\r\nHost: a\r\n\r\n", "GET origin-form a / none keep", "Host: a|"},

	{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", "POST origin-form a / length:12 keep", "Host: a|Content-Length: 12|"},
	{"length zero", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST origin-form a / none keep", "Host: a|Content-Length: 0|"},
	{"greatest length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n", "POST origin-form a / length:9223372036854775807 keep", "Host: a|Content-Length: 9223372036854775807|"},
	{"equal lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", "POST origin-form a / length:5 keep", "Host: a|Content-Length: 5|"},
	{"list of equal lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 ,\t5,5\r\nA: b\r\n\r\n", "POST origin-form a / length:5 keep", "Host: a|Content-Length: 5|A: b|"},
	{"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n", "POST origin-form a / chunked keep", "Host: a|Trailer: X|"},

	{"expect", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", "PUT origin-form a / length:1 keep expect", "Host: a|Expect: 100-Continue|Content-Length: 1|"},
	{"expect without body", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "PUT origin-form a / none keep", "Host: a|Expect: 100-continue|"},
	{"expect in 1.0", "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "PUT origin-form  / length:1", "Expect: 100-continue|Content-Length: 1|"},

	{"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", "GET origin-form a / none", "Host: a|"},
	{"close wins", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: x,,close\r\n\r\n", "GET origin-form a / none", "Host: a|"},
	{"1.0", "GET / HTTP/1.0\r\n\r\n", "GET origin-form  / none", ""},
	{"1.0 with keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nKeep-Alive: 5\r\n\r\n", "GET origin-form  / none keep", ""},
	{"1.0 with upgrade", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET origin-form  / none", ""},
	{"upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET origin-form a / none keep upgrade", "Host: a|"},
	{"upgrade without the option", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "GET origin-form a / none keep", "Host: a|"},
	{"upgrade without the field", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", "GET origin-form a / none keep", "Host: a|"},
	{"hop-by-hop", "GET / HTTP/1.1\r\nA: 1\r\nTE: trailers\r\nHost: a\r\nProxy-Connection: x\r\nKeep-Alive: x\r\nB: 2\r\nHTTP2-Settings: x\r\nX-One: 3\r\nx-one: 4\r\nC: 5\r\nConnection: TE, X-ONE\r\n\r\n",
		"GET origin-form a / none keep", "A: 1|Host: a|B: 2|C: 5|"},
	{"nominated with a long name", "GET / HTTP/1.1\r\nHost: a\r\nX-" + strings.Repeat("y", 60) + ": 1\r\nConnection: x-" + strings.Repeat("Y", 60) + "\r\n\r\n", "GET origin-form a / none keep", "Host: a|"},
	{"nomination of end-to-end fields", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nX-Forwarded-For: c\r\nConnection: authorization, x-forwarded-for\r\n\r\n",
		"GET origin-form a / none keep", "Host: a|Authorization: b|X-Forwarded-For: c|"},

	{"absolute-form", "GET http://b/c?d HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n", "GET absolute-form b /c ?d none keep", "X: y|Host: b|"},
	{"absolute-form, same host", "GET HTTP://a:8080/ HTTP/1.1\r\nHost:a:8080\r\n\r\n", "GET absolute-form a:8080 / none keep", "Host:a:8080|"},
	{"absolute-form, empty host", "GET https://b HTTP/1.1\r\nHost:\r\n\r\n", "GET absolute-form b / none keep", "Host: b|"},
	{"absolute-form, query without path", "GET http://b?d HTTP/1.1\r\nHost: b\r\n\r\n", "GET absolute-form b / ?d none keep", "Host: b|"},
	{"absolute-form in 1.0", "GET http://b/ HTTP/1.0\r\n\r\n", "GET absolute-form b / none", "Host: b|"},
	{"absolute-form, OPTIONS", "OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS absolute-form b * none keep", "Host: b|"},
	{"absolute-form, OPTIONS with path", "OPTIONS http://b/ HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS absolute-form b / none keep", "Host: b|"},
	{"asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS asterisk-form a * none keep", "Host: a|"},
	{"asterisk-form, empty host", "OPTIONS * HTTP/1.1\r\nHost: \r\n\r\n", "OPTIONS asterisk-form  * none keep", "Host: |"},
	{"authority-form", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n", "CONNECT authority-form b:443  none keep", "Host: b:443|"},
	{"authority-form, IPv6", "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n", "CONNECT authority-form [::1]:443  none keep", "Host: [::1]:443|"},
}

func TestRequestAccepted(t *testing.T) {
	for _, tt := range requestsAccepted {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(t, tt.input, &testLimits)
			if err != nil {
				t.Fatal(err)
			}
			if r.HeadLen != len(tt.input) {
				t.Fatalf("head of %d bytes, want %d", r.HeadLen, len(tt.input))
			}
			if got := summary(r); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := strings.ReplaceAll(string(AppendFields(nil, &r.Fields)), "\r\n", "|"); got != tt.fields {
				t.Errorf("forwards %q\nwant     %q", got, tt.fields)
			}
		})
	}
}

func summary(r *Request) string {
	s := fmt.Sprintf("%v %v %s %s", r.Method, r.Form, r.Authority, r.Path)
	if r.HasQuery {
		s += " ?" + string(r.Query)
	}
	s += " " + r.Framing.String()
	if r.Framing == Length {
		s += fmt.Sprintf(":%d", r.ContentLength)
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{r.KeepAlive, " keep"}, {r.ExpectContinue, " expect"}, {r.Upgrade, " upgrade"}} {
		if flag.set {
			s += flag.name
		}
	}
	return s
}

const get, post = "GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\n"

// requestsRefused ends each input with the line that has the fault.
var requestsRefused = []struct {
	input string
	want  *Error
}{
	// The request line.
	{"\n", ErrBareLF},
	{"\r\n\r\n", ErrBadRequestLine},
	{"\rGET / HTTP/1.1\r\n", ErrBareCR},
	{"GET / HTTP/1.1\n", ErrBareLF},
	{"GET / HTTP/1.1\r\r\n", ErrBareCR},
	{"GET /\r\n", ErrBadRequestLine},
	{"GET\r\n", ErrBadRequestLine},
	{" GET / HTTP/1.1\r\n", ErrBadMethod},
	{"GET  / HTTP/1.1\r\n", ErrBadRequestLine},
	{"GET /  HTTP/1.1\r\n", ErrBadRequestLine},
	{"GET / HTTP/1.1 \r\n", ErrBadRequestLine},
	{"GET /a b HTTP/1.1\r\n", ErrBadRequestLine},
	{"GET\t/ HTTP/1.1\r\n", ErrBadRequestLine},
	{"G(T / HTTP/1.1\r\n", ErrBadMethod},
	{"GET: / HTTP/1.1\r\n", ErrBadMethod},
	{"\x16\x03\x01 / HTTP/1.1\r\n", ErrBadMethod},
	{"G\xc3\x89T / HTTP/1.1\r\n", ErrBadMethod},
	{"GET /\x00 HTTP/1.1\r\n", ErrBadTarget},
	{"GET /\x7f HTTP/1.1\r\n", ErrBadTarget},
	{"GET /caf\xc3\xa9 HTTP/1.1\r\n", ErrBadTarget},
	{"GET /a#b HTTP/1.1\r\n", ErrBadTarget},
	{"GET /a?b#c HTTP/1.1\r\n", ErrBadTarget},
	{"GET /a\tb HTTP/1.1\r\n", ErrBadTarget},
	{"GET / HTTP/1\r\n", ErrBadVersion},
	{"GET / HTTP/1.\r\n", ErrBadVersion},
	{"GET / HTTP/1.10\r\n", ErrBadVersion},
	{"GET / HTTP/01.1\r\n", ErrBadVersion},
	{"GET / http/1.1\r\n", ErrBadVersion},
	{"GET / HTTP/1,1\r\n", ErrBadVersion},
	{"GET / HTTP/x.1\r\n", ErrBadVersion},
	{"GET / HTTP/1.x\r\n", ErrBadVersion},
	{"GET / ICY/1.1\r\n", ErrBadVersion},
	{"GET / HTTP/0.9\r\n", ErrVersion},
	{"PRI * HTTP/2.0\r\n", ErrVersion},
	{"GET / HTTP/3.0\r\n", ErrVersion},

	// The target's form.
	{"GET * HTTP/1.1\r\n", ErrBadTarget},
	{"OPTIONS ** HTTP/1.1\r\n", ErrBadTarget},
	{"GET a HTTP/1.1\r\n", ErrBadTarget},
	{"GET a:80 HTTP/1.1\r\n", ErrBadTarget},
	{"GET ?a HTTP/1.1\r\n", ErrBadTarget},
	{"GET ftp://a/ HTTP/1.1\r\n", ErrBadTarget},
	{"GET http:/a HTTP/1.1\r\n", ErrBadTarget},
	{"GET http:// HTTP/1.1\r\n", ErrBadTarget},
	{"GET http:///a HTTP/1.1\r\n", ErrBadTarget},
	{"GET http://?a HTTP/1.1\r\n", ErrBadTarget},
	{"GET https://:80/ HTTP/1.1\r\n", ErrBadTarget},
	{"GET http://u@a/ HTTP/1.1\r\n", ErrBadTarget},
	{"GET http://a:b@c/ HTTP/1.1\r\n", ErrBadTarget},
	{"GET http://a\\b/ HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT / HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT a HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT a: HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT :80 HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT [::1] HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT a:80/ HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT a:99999 HTTP/1.1\r\n", ErrBadTarget},
	{"CONNECT http://a:80 HTTP/1.1\r\n", ErrBadTarget},

	// Line ends and field lines.
	{get + "A: b\n", ErrBareLF},
	{get + "\n", ErrBareLF},
	{get + "A: b\n\r\n", ErrBareLF},
	{get + "A: b\rC: d\r\n", ErrBareCR},
	{get + "A: b\r\r\n", ErrBareCR},
	{get + "\r\r\n", ErrBareCR},
	{get + "A\r: b\r\n", ErrBareCR},
	{get + "A: b\r\n c\r\n", ErrObsFold},
	{get + "A: b\r\n\tc: d\r\n", ErrObsFold},
	{"GET / HTTP/1.1\r\n Host: a\r\n", ErrObsFold},
	{get + "A\r\n", ErrNoColon},
	{get + "Some words\r\nA: b\r\n", ErrNoColon},
	{get + "A : b\r\n", ErrSpaceBeforeColon},
	{get + "Transfer-Encoding\t: chunked\r\n", ErrSpaceBeforeColon},
	{get + ": b\r\n", ErrBadFieldName},
	{get + "A B: c\r\n", ErrBadFieldName},
	{get + "A\x00: c\r\n", ErrBadFieldName},
	{get + "\"A\": c\r\n", ErrBadFieldName},
	{get + "A(: c\r\n", ErrBadFieldName},
	{get + "\xc3\x89: c\r\n", ErrBadFieldName},
	{get + "Content\x0dLength: 5\r\n", ErrBareCR},
	{get + "A: b\x00\r\n", ErrBadFieldValue},
	{get + "A: \x01\r\n", ErrBadFieldValue},
	{get + "A: 0123456789\x7fabcdefgh\r\n", ErrBadFieldValue},
	{get + "A: \x0b\r\n", ErrBadFieldValue},

	// Host.
	{"GET / HTTP/1.1\r\n\r\n", ErrNoHost},
	{"GET http://a/ HTTP/1.1\r\n\r\n", ErrNoHost},
	{get + "host: a\r\n", ErrSeveralHosts},
	{"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n", ErrSeveralHosts},
	{"GET / HTTP/1.1\r\nHost:\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a, b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a,b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a@b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a?b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: a#b\r\n", ErrBadHost},
	{"GET / HTTP/1.1\r\nHost: http://a\r\n", ErrBadHost},
	{"GET http://b/ HTTP/1.1\r\nHost: a/\r\n", ErrBadHost},

	// Framing: what smuggling lives on.
	{post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ErrFramingConflict},
	{post + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", ErrFramingConflict},
	{post + "Content-Length: 5\r\nContent-Length: 6\r\n", ErrContentLengths},
	{post + "Content-Length: 5, 6\r\n", ErrContentLengths},
	{post + "Content-Length: 5,\r\n", ErrBadContentLength},
	{post + "Content-Length: 5,5,\r\n", ErrBadContentLength},
	{post + "Content-Length: ,5\r\n", ErrBadContentLength},
	{post + "Content-Length: 5,,5\r\n", ErrBadContentLength},
	{post + "Content-Length:\r\n", ErrBadContentLength},
	{post + "Content-Length: +5\r\n", ErrBadContentLength},
	{post + "Content-Length: -5\r\n", ErrBadContentLength},
	{post + "Content-Length: 5 5\r\n", ErrBadContentLength},
	{post + "Content-Length: 5;\r\n", ErrBadContentLength},
	{post + "Content-Length: 0x5\r\n", ErrBadContentLength},
	{post + "Content-Length: 5.0\r\n", ErrBadContentLength},
	{post + "Content-Length: 1_0\r\n", ErrBadContentLength},
	{post + "Content-Length: \xd9\xa5\r\n", ErrBadContentLength},
	{post + "Content-Length: 9223372036854775808\r\n", ErrBadContentLength},
	{post + "Content-Length: 18446744073709551621\r\n", ErrBadContentLength},
	{post + "Content-Length: 99999999999999999999999\r\n", ErrBadContentLength},
	{post + "Transfer-Encoding: gzip\r\n", ErrUnknownCoding},
	{post + "Transfer-Encoding: gzip, chunked\r\n", ErrUnknownCoding},
	{post + "Transfer-Encoding: xchunked\r\n", ErrUnknownCoding},
	{post + "Transfer-Encoding: identity\r\n", ErrUnknownCoding},
	{post + "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n", ErrUnknownCoding},
	{post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: chunked, chunked\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: chunked, gzip\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: chunked,\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: ,chunked\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: chunked;q=1\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: \"chunked\"\r\n", ErrBadCoding},
	{post + "Transfer-Encoding:\r\n", ErrBadCoding},
	{post + "Transfer-Encoding: \x0bchunked\r\n", ErrBadFieldValue},
	{post + "Transfer-Encoding: chunked\x00\r\n", ErrBadFieldValue},
	{post + "Transfer-Encoding:\r\n chunked\r\n", ErrBadCoding},
	{post + "X: y\r\n Transfer-Encoding: chunked\r\n", ErrObsFold},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", ErrCodingVersion},

	// Connection and Expect.
	{get + "Connection: Host\r\n", ErrBadConnection},
	{post + "Connection: close, content-length\r\nContent-Length: 5\r\n", ErrBadConnection},
	{get + "Connection: a b\r\n", ErrBadConnection},
	{get + "Connection: \"close\"\r\n", ErrBadConnection},
	{get + "Connection: " + strings.Repeat("x,", maxConnectionOptions+1) + "\r\n", ErrConnectionOptions},
	{get + "Expect: 200-ok\r\n", ErrExpectation},
	{get + "Expect:\r\n", ErrExpectation},
	{get + "Expect: 100-continue, x\r\n", ErrExpectation},
}

func TestRequestRefused(t *testing.T) {
	for _, tt := range requestsRefused {
		// Once with the line that has the fault as the last one, once with a head that goes on behind it.
		for _, input := range []string{tt.input, tt.input + "More: fields\r\n\r\nand a body"} {
			if _, err := parseRequest(t, input, &testLimits); err != error(tt.want) {
				t.Errorf("%q: %v, want %v", input, err, tt.want)
			}
		}
	}
}

func TestRequestIncomplete(t *testing.T) {
	const input = "\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 5\r\n\r\n"
	for i := range len(input) {
		if r, err := parseRequest(t, input[:i], &testLimits); err != nil || r.HeadLen != 0 {
			t.Errorf("%q: %d, %v", input[:i], r.HeadLen, err)
		}
	}
}

func TestRequestLimits(t *testing.T) {
	lim := Limits{MaxLine: 32, MaxHead: 90, MaxFields: 3}
	const line, host = "GET / HTTP/1.1\r\n", "Host: a\r\n"
	field := func(n int) string { return "X: " + strings.Repeat("y", n-5) + "\r\n" }
	target := func(n int) string { return "GET /" + strings.Repeat("y", n-16) + " HTTP/1.1\r\n" }
	tests := []struct {
		name, input string
		want        error
	}{
		{"longest request line", target(32) + host + "\r\n", nil},
		{"longer request line", target(33) + host + "\r\n", ErrRequestLineTooLong},
		{"unfinished request line", target(60)[:32], ErrRequestLineTooLong},
		{"faulty request line that is too long", "GET " + strings.Repeat("\x00", 40) + " HTTP/1.1\r\n", ErrRequestLineTooLong},
		{"longest field line", line + host + field(32) + "\r\n", nil},
		{"longer field line", line + host + field(33) + "\r\n", ErrLineTooLong},
		{"unfinished field line", line + host + field(50)[:32], ErrLineTooLong},
		{"faulty field line that is too long", line + host + strings.Repeat("\x00", 40) + "\r\n", ErrLineTooLong},
		{"largest head", line + field(32) + host + field(90-16-32-9-2) + "\r\n", nil},
		{"larger head", line + field(32) + host + field(90-16-32-9-1) + "\r\n", ErrHeadTooLarge},
		{"unfinished head", target(32) + field(32) + field(32)[:26], ErrHeadTooLarge},
		{"head that just fits, unfinished", target(32) + field(32) + field(32)[:25], nil},
		{"complete line beyond the head", target(32) + field(32) + field(32), ErrHeadTooLarge},
		{"most fields", line + host + "A: b\r\nC: d\r\n\r\n", nil},
		{"more fields", line + host + "A: b\r\nC: d\r\nE: f\r\n\r\n", ErrTooManyFields},
		{"more fields, the last one faulty", line + host + "A: b\r\nC: d\r\nE : f\r\n\r\n", ErrTooManyFields},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(t, tt.input, &lim)
			if !errors.Is(err, tt.want) && err != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if tt.want == nil && strings.HasSuffix(tt.input, "\r\n\r\n") && r.HeadLen != len(tt.input) {
				t.Errorf("head of %d bytes, want %d", r.HeadLen, len(tt.input))
			}
		})
	}
}

// TestRequestPipelined reads requests that stand in one buffer.
func TestRequestPipelined(t *testing.T) {
	const one, two = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /2 HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
	b := []byte(one + two + one)
	var r Request
	var got []string
	for len(b) > 0 {
		r.Reset()
		n, err := r.Parse(b, &testLimits)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		got = append(got, fmt.Sprintf("%v %s %v", r.Method, r.Path, r.KeepAlive))
		b = b[n:]
	}
	if want := "[GET /1 true HEAD /2 false GET /1 true]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestRequestWork holds the promise that input which comes in small pieces costs linear work: the position up to which a long
// line was searched must only grow.
func TestRequestWork(t *testing.T) {
	lim := Limits{MaxLine: 1 << 20, MaxHead: 1 << 20, MaxFields: 10}
	b := []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 1<<19))
	var r Request
	r.Reset()
	for i := 0; i <= len(b); i++ {
		before := r.head.seen
		if n, err := r.Parse(b[:i], &lim); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if i > 30 && r.head.seen-before != 1 {
			t.Fatalf("at %d the search went from %d to %d", i, before, r.head.seen)
		}
	}
}

func TestRequestLeavesNothingBehind(t *testing.T) {
	var r, fresh Request
	r.Reset()
	if _, err := r.Parse([]byte("OPTIONS http://b?x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive, upgrade, x, HTTP2-Settings\r\nUpgrade: y\r\nExpect: 100-continue\r\n\r\n"), &testLimits); err != nil {
		t.Fatal(err)
	}
	input := []byte("GET / HTTP/1.1\r\nHost: c\r\n\r\n")
	r.Reset()
	fresh.Reset()
	for _, x := range []*Request{&r, &fresh} {
		if _, err := x.Parse(input, &testLimits); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := describe(&r), describe(&fresh); a != b {
		t.Errorf("reused %s\nfresh  %s", a, b)
	}
	// Fields keeps its storage; everything else must be as in the other.
	r.Fields, fresh.Fields = header.Fields{}, header.Fields{}
	if !reflect.DeepEqual(r, fresh) {
		t.Errorf("reused %+v\nfresh  %+v", r, fresh)
	}
}

func TestMethods(t *testing.T) {
	for m := GET; m < numMethods; m++ {
		if got := MethodOf([]byte(m.String())); got != m {
			t.Errorf("MethodOf(%q) = %v", m, got)
		}
		if m.Safe() && !m.Idempotent() {
			t.Errorf("%v is safe and not idempotent", m)
		}
	}
	for _, s := range []string{"", "get", "GETX", "GE", "PROPFIND"} {
		if m := MethodOf([]byte(s)); m != Other || m.Safe() || m.Idempotent() || m.String() != "" {
			t.Errorf("MethodOf(%q) = %v", s, m)
		}
	}
	if POST.Idempotent() || PATCH.Idempotent() || CONNECT.Idempotent() || !PUT.Idempotent() || !DELETE.Idempotent() || DELETE.Safe() || !TRACE.Safe() {
		t.Error("wrong properties")
	}
}

func TestErrors(t *testing.T) {
	if e := ErrBadHost.Response(); e.Status != 502 || e.Code != "bad_host" || !errors.Is(e, ErrBadHost) || e.Response() != e {
		t.Errorf("%+v", e)
	}
	if errors.Is(ErrBadHost, ErrNoHost) || errors.Is(ErrBadHost, bytes.ErrTooLarge) {
		t.Error("errors of different codes match")
	}
	if got := ErrNoHost.Error(); !strings.Contains(got, "no_host") {
		t.Error(got)
	}
}

// TestParseAgain: after the end of the head, Parse says the same again.
func TestParseAgain(t *testing.T) {
	in, out := []byte(wrkRequest), []byte(nginxResponse)
	var r Request
	var s Response
	r.Reset()
	s.Reset(GET)
	for range 2 {
		if n, err := r.Parse(in, &testLimits); n != len(in) || err != nil {
			t.Error(n, err)
		}
		if n, err := s.Parse(out, &testLimits); n != len(out) || err != nil {
			t.Error(n, err)
		}
	}
	s.Reset(GET)
	for range 2 {
		if n, err := s.Parse([]byte("x\r\n"), &testLimits); n != 0 || !errors.Is(err, ErrBadStatusLine) {
			t.Error(n, err)
		}
	}
}
