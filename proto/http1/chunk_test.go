package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ringway/ringway/proto/header"
)

// decode runs a decoder over input that comes in pieces of the given size. It returns the body, the bytes consumed, and the
// trailers as they would be forwarded.
func decode(input string, piece int, lim *Limits) (body string, consumed int, trailers string, done bool, err error) {
	var d ChunkDecoder
	d.Reset(lim)
	var out []byte
	for consumed < len(input) && !done {
		in := []byte(input[consumed:min(consumed+piece, len(input))])
		for {
			n, data, end, err := d.Next(in)
			out = append(out, data...)
			consumed += n
			if err != nil {
				return string(out), consumed, "", false, err
			}
			if in = in[n:]; end {
				done = true
				break
			}
			if n == 0 && data == nil {
				if len(in) > 0 {
					panic("the decoder stopped before the end of its input")
				}
				break
			}
		}
	}
	return string(out), consumed, string(AppendFields(nil, d.Trailers())), done, nil
}

// decodeSplit decodes in pieces of every size from the whole down to a byte and wants the same each time.
func decodeSplit(t *testing.T, input string, lim *Limits) (body, trailers string, done bool, err error) {
	t.Helper()
	body, consumed, trailers, done, err := decode(input, len(input)+1, lim)
	for piece := 1; piece <= min(len(input), 64); piece++ {
		b, c, tr, d, e := decode(input, piece, lim)
		if b != body || c != consumed && err == nil || tr != trailers || d != done || e != err {
			t.Fatalf("%q\nat once:        %q %d %q %v %v\npieces of %d: %q %d %q %v %v", input, body, consumed, trailers, done, err, piece, b, c, tr, d, e)
		}
	}
	if done && strings.HasSuffix(input, "NEXT") && consumed != len(input)-4 {
		t.Errorf("%q: consumed %d", input, consumed)
	}
	return body, trailers, done, err
}

func TestChunkedAccepted(t *testing.T) {
	for _, tt := range []struct{ input, body, trailers string }{
		{"0\r\n\r\nNEXT", "", ""},
		{"5\r\nhello\r\n0\r\n\r\nNEXT", "hello", ""},
		{"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\nNEXT", "hello world", ""},
		{"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\nNEXT", "01234567890123456789", ""},
		{"0000000000000002\r\n\r\n\r\n0\r\n\r\nNEXT", "\r\n", ""},
		{"2;a\r\nhi\r\n0;b=c\r\n\r\nNEXT", "hi", ""},
		{"2;a=b;c=\"d;\\\"\\\\ \t\xe9\";e\r\nhi\r\n0\r\n\r\nNEXT", "hi", ""},
		{"2 ;\ta = b ; c = \"d\" ;e\r\nhi\r\n0\r\n\r\nNEXT", "hi", ""},
		{"0\r\nX-Sum: 1\r\nETag: \"a\"\r\nGrpc-Status:0\r\n\r\nNEXT", "", "X-Sum: 1\r\nETag: \"a\"\r\nGrpc-Status:0\r\n"},
		{"0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nAuthorization: x\r\nX-A: 1\r\nContent-MD5: x\r\n" +
			"Content-Digest: y\r\nSet-Cookie: a\r\nConnection: X-A\r\nX-Forwarded-Host: h\r\nX-Forwarded-Foo: h\r\nX-B: 2\r\n\r\nNEXT", "", "X-A: 1\r\nContent-Digest: y\r\nX-B: 2\r\n"},
	} {
		body, trailers, done, err := decodeSplit(t, tt.input, &testLimits)
		if body != tt.body || trailers != tt.trailers || !done || err != nil {
			t.Errorf("%q: %q %q %v %v", tt.input, body, trailers, done, err)
		}
		for i := range len(tt.input) - 4 {
			if _, _, _, done, err := decode(tt.input[:i], i+1, &testLimits); done || err != nil {
				t.Errorf("%q: %v %v", tt.input[:i], done, err)
			}
		}
	}
}

func TestChunkedRefused(t *testing.T) {
	for _, tt := range []struct {
		input string
		want  *Error
	}{
		{"\r\n", ErrBadChunkSize},
		{"\n", ErrBareLF},
		{";a\r\n", ErrBadChunkSize},
		{" 5\r\n", ErrBadChunkSize},
		{"+5\r\n", ErrBadChunkSize},
		{"-5\r\n", ErrBadChunkSize},
		{"0x5\r\n", ErrBadChunkSize},
		{"5_0\r\n", ErrBadChunkSize},
		{"g\r\n", ErrBadChunkSize},
		{"5,\r\n", ErrBadChunkSize},
		{"5\x00\r\n", ErrBadChunkSize},
		{"8000000000000000\r\n", ErrBadChunkSize},
		{"ffffffffffffffff\r\n", ErrBadChunkSize},
		{"10000000000000005\r\n", ErrBadChunkSize},
		{"00000000000000005\r\n", ErrBadChunkSize},
		{"5 \r\n", ErrBadChunkExtension},
		{"5 5\r\n", ErrBadChunkExtension},
		{"5\n", ErrBareLF},
		{"5\rhello", ErrBareCR},
		{"5\r\r\n", ErrBareCR},
		{"5;\r\n", ErrBadChunkExtension},
		{"5;;a\r\n", ErrBadChunkExtension},
		{"5;=a\r\n", ErrBadChunkExtension},
		{"5;a=\r\n", ErrBadChunkExtension},
		{"5;a=;b\r\n", ErrBadChunkExtension},
		{"5;a=b=c\r\n", ErrBadChunkExtension},
		{"5;a b\r\n", ErrBadChunkExtension},
		{"5;a=b c\r\n", ErrBadChunkExtension},
		{"5;a \r\n", ErrBadChunkExtension},
		{"5;a=\"b\r\n", ErrBadChunkExtension},
		{"5;a=\"b\"c\r\n", ErrBadChunkExtension},
		{"5;a=\"b\x00\"\r\n", ErrBadChunkExtension},
		{"5;a=\"\\\x00\"\r\n", ErrBadChunkExtension},
		{"5;a=b\"c\"\r\n", ErrBadChunkExtension},
		{"5;a(\r\n", ErrBadChunkExtension},
		{"5;a=b\n", ErrBareLF},
		{"5;a=\"b\n\"\r\n", ErrBareLF},
		{"5;" + strings.Repeat("a", 2000) + "\r\n", ErrChunkLineTooLong},
		{"2\r\nhi0\r\n", ErrBadChunkEnd},
		{"2\r\nhi\n0\r\n", ErrBadChunkEnd},
		{"2\r\nhi\r0\r\n", ErrBadChunkEnd},
		{"2\r\nhi!\r\n", ErrBadChunkEnd},
		{"2\r\nhi\r\n\r\n", ErrBadChunkSize},
		{"0\r\nA: b\n\r\n", ErrBareLF},
		{"0\r\n\n", ErrBareLF},
		{"0\r\n\rX\r\n", ErrBareCR},
		{"0\r\nA: b\r\n c\r\n", ErrObsFold},
		{"0\r\nA : b\r\n", ErrSpaceBeforeColon},
		{"0\r\nHost : b\r\n", ErrSpaceBeforeColon},
		{"0\r\nGET / HTTP/1.1\r\nHost: a\r\n", ErrNoColon},
		{"0\r\nA: \x00\r\n", ErrBadFieldValue},
		{"0\r\n" + strings.Repeat("A: b\r\n", 33) + "\r\n", ErrTooManyFields},
		{"0\r\nA: " + strings.Repeat("b", 9000) + "\r\n", ErrTrailerTooLarge},
		{strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20), ErrChunkOverhead},
	} {
		if _, _, done, err := decodeSplit(t, tt.input, &testLimits); done || err != error(tt.want) {
			t.Errorf("%.60q: %v %v, want %v", tt.input, done, err, tt.want)
		}
	}
}

// TestChunkedSmall: a body of the smallest chunks is slow, but no attack by itself.
func TestChunkedSmall(t *testing.T) {
	input := strings.Repeat("1\r\nx\r\n", 100000) + "0\r\n\r\n"
	body, _, _, done, err := decode(input, 4096, &testLimits)
	if len(body) != 100000 || !done || err != nil {
		t.Error(len(body), done, err)
	}
}

// TestChunkedMetadata: what passes behind a response of gRPC, until the next Reset.
func TestChunkedMetadata(t *testing.T) {
	const in = "0\r\nServer: s\r\nContent-SHA: a\r\nContent-Length: 1\r\nConnection: close\r\ngrpc-status: 0\r\n\r\n"
	var d ChunkDecoder
	for _, c := range []struct {
		rule header.TrailerRule
		want string
	}{{header.Metadata, "Server: s\r\nContent-SHA: a\r\ngrpc-status: 0\r\n"}, {header.Restricted, "grpc-status: 0\r\n"}} {
		if d.Reset(&testLimits); c.rule != header.Restricted {
			d.SetRule(c.rule)
		}
		if _, _, done, err := d.Next([]byte(in)); !done || err != nil {
			t.Fatal(done, err)
		}
		if got := string(AppendFields(nil, d.Trailers())); got != c.want {
			t.Errorf("%q", got)
		}
	}
}

func TestChunkDecoderStaysAtItsEnd(t *testing.T) {
	var d ChunkDecoder
	d.Reset(&testLimits)
	if n, data, done, err := d.Next([]byte("0\r\n\r\nX")); n != 5 || data != nil || !done || err != nil {
		t.Error(n, data, done, err)
	}
	if n, data, done, err := d.Next([]byte("X")); n != 0 || data != nil || !done || err != nil {
		t.Error(n, data, done, err)
	}
	d.Reset(&testLimits)
	for range 2 {
		if _, _, done, err := d.Next([]byte("x")); done || !errors.Is(err, ErrBadChunkSize) {
			t.Error(done, err)
		}
	}
	d.Reset(&testLimits)
	if n, data, done, err := d.Next([]byte("2\r\nhi\r\n0\r\n")); n != 5 || string(data) != "hi" || cap(data) != 2 || done || err != nil {
		t.Error(n, data, done, err)
	}
}

// TestChunkedRoundTrip decodes what the append functions write.
func TestChunkedRoundTrip(t *testing.T) {
	var wire []byte
	var want string
	for _, size := range []int{1, 9, 10, 15, 16, 255, 256, 70000} {
		data := strings.Repeat(fmt.Sprint(size%10), size)
		wire = append(append(AppendChunkHeader(wire, size), data...), "\r\n"...)
		want += data
	}
	var r Response
	r.Reset(GET)
	r.Add("X-Sum", []byte("1"))
	wire = AppendLastChunk(wire, &r.Fields)
	body, _, trailers, done, err := decode(string(wire), 1000, &testLimits)
	if body != want || trailers != "X-Sum: 1\r\n" || !done || err != nil {
		t.Error(len(body), trailers, done, err)
	}
}
