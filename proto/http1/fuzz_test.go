package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ringway/ringway/proto/header"
)

// FuzzRequest: parsing never depends on how the input is cut (parseRequest), what is written is parsed to the same again, and
// where net/http accepts a request too, both understand the same.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{wrkRequest, browserRequest,
		"\r\nPOST http://a:80/b?c HTTP/1.1\r\nHost: d\r\nContent-Length: 5, 5\r\nConnection: close, X\r\nX: y\r\n\r\n",
		"CONNECT [::1]:80 HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\nExpect: 100-continue\r\nUpgrade: z\r\nConnection: upgrade,keep-alive\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost : a\r\n b\r\n\r\n"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	small := Limits{MaxLine: 40, MaxHead: 100, MaxFields: 3}
	f.Fuzz(func(t *testing.T, input []byte, limited bool) {
		lim := &testLimits
		if limited {
			lim = &small
		}
		r, err := parseRequest(t, string(input), lim)
		if err != nil || r.HeadLen == 0 {
			return
		}
		checkRequestAgain(t, r)
		checkAgainstNetHTTP(t, r, input[:r.HeadLen])
	})
}

// checkRequestAgain writes an accepted request as a gateway would and parses that: it must be accepted, mean the same, and
// come out the same when it is written once more.
func checkRequestAgain(t *testing.T, r *Request) {
	write := func(r *Request) []byte {
		target := r.Path
		if r.Form == AuthorityForm {
			target = r.Authority
		}
		out := AppendFields(AppendRequestLine(nil, r.MethodToken, target, r.Query, r.HasQuery), &r.Fields)
		if r.Framing == Chunked {
			out = append(out, "Transfer-Encoding: chunked\r\n"...)
		}
		if r.Minor == 0 && len(r.Authority) == 0 {
			out = append(out, "Host: default\r\n"...)
		}
		return append(out, "\r\n"...)
	}
	if r.Minor == 0 && len(r.Authority) == 0 && r.Count(header.Host) > 0 {
		return // HTTP/1.0 with an empty Host in asterisk-form
	}
	lim := Limits{MaxLine: 1 << 20, MaxHead: 1 << 20, MaxFields: 1000}
	var again, third Request
	wire := write(r)
	again.Reset()
	if n, err := again.Parse(wire, &lim); err != nil || n != len(wire) {
		t.Fatalf("wrote %q: parsed %d bytes, %v", wire, n, err)
	}
	if again.Framing != r.Framing || again.ContentLength != r.ContentLength || !bytes.Equal(again.Path, r.Path) ||
		!bytes.Equal(again.Query, r.Query) || again.Method != r.Method || r.Minor > 0 && !bytes.Equal(again.Authority, r.Authority) {
		t.Fatalf("%s\nwritten and parsed again\n%s", describe(r), describe(&again))
	}
	second := write(&again)
	third.Reset()
	if _, err := third.Parse(second, &lim); err != nil || !bytes.Equal(write(&third), second) {
		t.Fatalf("unstable: %q, then %q, %v", wire, second, err)
	}
}

func checkAgainstNetHTTP(t *testing.T, r *Request, head []byte) {
	std, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(bytes.TrimPrefix(head, []byte("\r\n"))), 1<<16))
	if err != nil {
		return // net/http refuses more in places, such as targets that url.Parse does not take
	}
	if std.Method != string(r.MethodToken) || std.Host != string(r.Authority) {
		t.Fatalf("%q: %q for %q, net/http says %q for %q", head, r.MethodToken, r.Authority, std.Method, std.Host)
	}
	chunked := len(std.TransferEncoding) == 1 && std.TransferEncoding[0] == "chunked"
	if chunked != (r.Framing == Chunked) || !chunked && std.ContentLength != max(r.ContentLength, 0) {
		t.Fatalf("%q: %v of %d, net/http says %v of %d", head, r.Framing, r.ContentLength, std.TransferEncoding, std.ContentLength)
	}
	if r.Minor <= 1 && std.Close == r.KeepAlive {
		t.Fatalf("%q: keep-alive %v, net/http says close %v", head, r.KeepAlive, std.Close)
	}
}

// FuzzResponse is FuzzRequest for responses, without net/http, which is lenient here in many ways.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{nginxResponse, "HTTP/1.0 204 \r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		for m := GET; m < numMethods; m++ {
			f.Add([]byte(s), uint8(m))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, m uint8) {
		method := Method(m % uint8(numMethods))
		r, err := parseResponse(t, method, string(input), &testLimits)
		if err != nil || r.HeadLen == 0 {
			return
		}
		write := func(r *Response) []byte {
			out := AppendFields(AppendStatusLine(nil, r.Status, r.Reason), &r.Fields)
			if r.Framing == Chunked {
				out = append(out, "Transfer-Encoding: chunked\r\n"...)
			}
			return append(out, "\r\n"...)
		}
		lim := Limits{MaxLine: 1 << 20, MaxHead: 1 << 20, MaxFields: 1000}
		wire := write(r)
		var again Response
		again.Reset(method)
		if n, err := again.Parse(wire, &lim); err != nil || n != len(wire) {
			t.Fatalf("wrote %q: parsed %d bytes, %v", wire, n, err)
		}
		if again.Status != r.Status || again.Framing != r.Framing || again.ContentLength != r.ContentLength || !bytes.Equal(write(&again), wire) {
			t.Fatalf("%s\nwritten and parsed again\n%s", describeResponse(r), describeResponse(&again))
		}
	})
}

// FuzzChunked: decoding never depends on how the input is cut, and net/http reads the same body where it accepts one.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{"5\r\nhello\r\n0\r\n\r\n", "2;a=\"b\\\"\" ; c\r\nhi\r\n0\r\nX: y\r\nHost: a\r\n\r\nrest", "ffffffffffffffff\r\n", "1\nx\n0\n\n"} {
		f.Add([]byte(s))
	}
	lim := Limits{MaxChunkLine: 64, MaxTrailers: 3, MaxTrailerSize: 100}
	f.Fuzz(func(t *testing.T, input []byte) {
		body, trailers, done, err := decodeSplit(t, string(input), &lim)
		if err != nil || !done {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		std, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(input))))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := io.ReadAll(std.Body); err == nil && string(want) != body {
			t.Fatalf("%q: %q, net/http says %q", input, body, want)
		}
		var wire []byte
		if body != "" {
			wire = append(append(AppendChunkHeader(nil, len(body)), body...), "\r\n"...)
		}
		wire = append(append(wire, "0\r\n"+trailers...), "\r\n"...)
		if b, tr, done, err := decodeSplit(t, string(wire), &lim); b != body || tr != trailers || !done || err != nil {
			t.Fatalf("%q written as %q: %q %q %v %v", input, wire, b, tr, done, err)
		}
	})
}
