package http2

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// decodeMessage decodes fields, given as name, value, name, value …
func decodeMessage(k kind, cfg *Config, extended bool, list ...string) (*Message, string) {
	m := new(Message)
	m.reset(k)
	for i := 0; i+1 < len(list); i += 2 {
		if !m.field(list[i], list[i+1], cfg) {
			break
		}
	}
	return m, m.finish(extended)
}

func pairs(s string) (list []string) {
	for line := range strings.SplitSeq(s, "|") {
		if line == "" {
			continue
		}
		i := strings.IndexByte(line[1:], '=') + 1
		list = append(list, line[:i], line[i+1:])
	}
	return list
}

const get = ":method=GET|:scheme=https|:authority=a.example|:path=/"

// TestRequests: which requests are well-formed (RFC 9113 §8.2, §8.3.1, §8.5, RFC 8441), and what becomes of those that are.
func TestRequests(t *testing.T) {
	cfg := DefaultConfig()
	for _, c := range []struct{ in, want string }{
		{get, "GET https a.example /|host=a.example"},
		{":path=/x?y=?z|:authority=a:8080|:scheme=http|:method=POST", "POST http a:8080 /x?y=?z|host=a:8080"},
		{":method=GET|:scheme=https|:authority=a|:path=/?", "GET https a /?|host=a"},
		{":method=OPTIONS|:scheme=https|:authority=a|:path=*", "OPTIONS https a *|host=a"},
		{":method=BREW|:scheme=https|:authority=[::1]:1|:path=/", "BREW https [::1]:1 /|host=[::1]:1"},
		{get + "|accept=*/*|x-y=1|x-y=2", "GET https a.example /|host=a.example|accept=*/*|x-y=1|x-y=2"},
		{get + "|x-empty=", "GET https a.example /|host=a.example|x-empty="},
		// Host and :authority.
		{":method=GET|:scheme=https|:path=/|host=b", "GET https b /|host=b"},
		{":method=GET|:scheme=https|:authority=|:path=/|x=1|host=b", "GET https b /|x=1|host=b"},
		{get + "|x=1|host=A.example", "GET https a.example /|host=a.example|x=1"},
		{get + "|host=b.example", "Host is not :authority"},
		{get + "|host=a.example|host=a.example", "several Host fields"},
		{":method=GET|:scheme=https|:path=/|host=b|host=b", "several Host fields"},
		{":method=GET|:scheme=https|:path=/|host=a/b", "Host is malformed"},
		{":method=GET|:scheme=https|:path=/", "neither :authority nor Host"},
		{":method=GET|:scheme=https|:authority=user@a|:path=/", ":authority is malformed"},
		// Pseudo-header fields.
		{":scheme=https|:authority=a|:path=/", ":method is missing"},
		{":method=GET|:authority=a|:path=/", ":scheme or :path is missing"},
		{":method=GET|:scheme=https|:authority=a", ":scheme or :path is missing"},
		{":method=GET|:method=GET|:scheme=https|:path=/", "a pseudo-header field twice"},
		{get + "|:path=/", "a pseudo-header field twice"},
		{":method=GET|accept=x|:scheme=https|:path=/", "a pseudo-header field behind other fields"},
		{get + "|:status=200", "a pseudo-header field that may not stand here"},
		{get + "|:foo=1", "a pseudo-header field that may not stand here"},
		{":method=|:scheme=https|:path=/", ":method is not a token"},
		{":method=G T|:scheme=https|:path=/", ":method is not a token"},
		{":method=GET|:scheme=HTTPS|:path=/", ":scheme is malformed"},
		{":method=GET|:scheme=1|:path=/", ":scheme is malformed"},
		{":method=GET|:scheme=https|:path=", ":path is malformed"},
		{":method=GET|:scheme=https|:path=/a b", ":path is malformed"},
		{":method=GET|:scheme=https|:path=/a#b", ":path is malformed"},
		{":method=GET|:scheme=https|:path=/a\r\nb", ":path is malformed"},
		{":method=GET|:scheme=https|:path=/\xff", ":path is malformed"},
		{":method=GET|:scheme=https|:authority=a|:path=a", ":path is not of a form that the method allows"},
		{":method=GET|:scheme=https|:authority=a|:path=*", ":path is not of a form that the method allows"},
		{":method=GET|:scheme=https|:authority=a|:path=http://b/", ":path is not of a form that the method allows"},
		// CONNECT.
		{":method=CONNECT|:authority=a:443", "CONNECT  a:443 |host=a:443"},
		{":method=CONNECT|:authority=a", "CONNECT with other pseudo-header fields than :authority, or without host and port"},
		{":method=CONNECT|:authority=[::1]", "CONNECT with other pseudo-header fields than :authority, or without host and port"},
		{":method=CONNECT|host=a:443", "CONNECT with other pseudo-header fields than :authority, or without host and port"},
		{":method=CONNECT|:authority=a:443|:path=/", "CONNECT with other pseudo-header fields than :authority, or without host and port"},
		{":method=CONNECT|:authority=a:443|:scheme=https|:path=/", "CONNECT with other pseudo-header fields than :authority, or without host and port"},
		{":method=CONNECT|:protocol=websocket|:authority=a|:scheme=https|:path=/chat", "CONNECT https a /chat websocket|host=a"},
		{":method=CONNECT|:protocol=websocket|:authority=a", ":scheme or :path is missing"},
		{":method=CONNECT|:protocol=|:authority=a|:scheme=https|:path=/", ":protocol is not a token"},
		{":method=GET|:protocol=websocket|:authority=a|:scheme=https|:path=/", ":protocol where extended CONNECT may not be"},
	} {
		m, fault := decodeMessage(kindRequest, &cfg, true, pairs(c.in)...)
		got := fault
		if fault == "" {
			got = describeMessage(m)
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
	if _, fault := decodeMessage(kindRequest, &cfg, false, pairs(":method=CONNECT|:protocol=websocket|:authority=a|:scheme=https|:path=/")...); fault == "" {
		t.Error("extended CONNECT that was not offered")
	}
}

// TestFields: the rules for fields (RFC 9113 §8.2), which hold for requests and responses alike.
func TestFields(t *testing.T) {
	cfg := DefaultConfig()
	for _, c := range []struct{ in, want string }{
		{"X-y=1", "a field name is not a token in lower case"},
		{"x y=1", "a field name is not a token in lower case"},
		{"x:y=1", "a field name is not a token in lower case"},
		{"x\x80=1", "a field name is not a token in lower case"},
		{"x=a\r\nb", "a field value holds what it may not"},
		{"x=a\x00b", "a field value holds what it may not"},
		{"x=a\x7fb", "a field value holds what it may not"},
		{"x= a", "a field value holds what it may not"},
		{"x=a\t", "a field value holds what it may not"},
		{"x=a\tb \xff", "|x=a\tb \xff"},
		{"connection=close", "a field of HTTP/1.1's connections"},
		{"proxy-connection=keep-alive", "a field of HTTP/1.1's connections"},
		{"keep-alive=5", "a field of HTTP/1.1's connections"},
		{"transfer-encoding=chunked", "a field of HTTP/1.1's connections"},
		{"upgrade=h2c", "a field of HTTP/1.1's connections"},
		{"http2-settings=AA", "a field of HTTP/1.1's connections"},
		{"te=gzip", "TE asks for more than trailers"},
		{"te=trailers, deflate", "TE asks for more than trailers"},
		{"te=trailers", "|te=trailers"},
		{"content-length=5", "|content-length=5"},
		{"content-length=5|content-length=5", "|content-length=5"},
		{"content-length=5|content-length=05", "|content-length=5"},
		{"content-length=5|content-length=6", "differing Content-Length"},
		{"content-length=", "Content-Length is malformed"},
		{"content-length=5, 5", "Content-Length is malformed"},
		{"content-length=-1", "Content-Length is malformed"},
		{"content-length=+1", "Content-Length is malformed"},
		{"content-length=9999999999999999999", "Content-Length is malformed"},
		{"cookie=a=1", "|cookie=a=1"},
		{"cookie=a=1|x=y|cookie=b=2|cookie=c", "|x=y|cookie=a=1; b=2; c"},
		{"cookie=|cookie=b", "|cookie=b"},
	} {
		for k, head := range map[kind]string{kindRequest: get, kindResponse: ":status=200"} {
			m, fault := decodeMessage(k, &cfg, true, append(pairs(head), pairs(c.in)...)...)
			got := fault
			if fault == "" {
				bare, _ := decodeMessage(k, &cfg, true, pairs(head)...)
				got = strings.TrimPrefix(describeMessage(m), describeMessage(bare))
			}
			if got != c.want {
				t.Errorf("%q: %q, want %q", c.in, got, c.want)
			}
		}
	}
	if _, fault := decodeMessage(kindRequest, &cfg, true, "", "x"); fault == "" {
		t.Error("an empty name was taken")
	}
}

func TestResponsesAndTrailers(t *testing.T) {
	cfg := DefaultConfig()
	for _, c := range []struct {
		kind     kind
		in, want string
	}{
		{kindResponse, ":status=200|server=x", "200|server=x"},
		{kindResponse, ":status=999", "999"},
		{kindResponse, ":status=103|link=x", "103|link=x"},
		{kindResponse, ":status=204|content-length=7", "204"},
		{kindResponse, ":status=100|content-length=0", "100"},
		{kindResponse, ":status=100|content-length=1", "an interim response that announces a body"},
		{kindResponse, ":status=101", "status 101"},
		{kindResponse, "server=x", ":status is missing"},
		{kindResponse, ":status=20", ":status has not three digits"},
		{kindResponse, ":status=0200", ":status has not three digits"},
		{kindResponse, ":status=099", ":status has not three digits"},
		{kindResponse, ":status=2x0", ":status has not three digits"},
		{kindResponse, ":status=200|:status=200", "a pseudo-header field twice"},
		{kindResponse, ":method=GET", "a pseudo-header field that may not stand here"},
		{kindTrailers, "grpc-status=0|grpc-message=|x-sum=1", "|grpc-status=0|grpc-message=|x-sum=1"},
		{kindTrailers, "etag=1|content-digest=x|accept-ranges=none", "|etag=1|content-digest=x|accept-ranges=none"},
		{kindTrailers, "content-length=1|host=a|content-type=x|content-foo=y|cookie=z|te=trailers|x-forwarded-for=q|x-forwarded-zz=q|a=b", "|a=b"},
		{kindTrailers, ":path=/", "a pseudo-header field that may not stand here"},
		{kindTrailers, "connection=close", "a field of HTTP/1.1's connections"},
		{kindTrailers, "", ""},
		{kindMetadata, "grpc-status=0|x-request-id=1|authorization=a|content-sha=s|x-forwarded-for=q|cookie=y|cookie=z",
			"|grpc-status=0|x-request-id=1|authorization=a|content-sha=s|x-forwarded-for=q|cookie=y|cookie=z"},
		{kindMetadata, "content-length=x|host=a b|te=trailers|trailer=x|a=b", "|a=b"},
		{kindMetadata, ":status=200", "a pseudo-header field that may not stand here"},
		{kindMetadata, "transfer-encoding=chunked", "a field of HTTP/1.1's connections"},
	} {
		m, fault := decodeMessage(c.kind, &cfg, true, pairs(c.in)...)
		got := fault
		if fault == "" {
			got = describeMessage(m)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
}

// TestMessageForHTTP1: what came in as HTTP/2 goes out as HTTP/1.1 without more ado.
func TestMessageForHTTP1(t *testing.T) {
	cfg := DefaultConfig()
	m, fault := decodeMessage(kindRequest, &cfg, true, pairs(get+"|cookie=a|te=trailers|cookie=b|x=y")...)
	if fault != "" {
		t.Fatal(fault)
	}
	out := http1.AppendRequestLine(nil, m.MethodToken, m.Path, m.Query, m.HasQuery)
	out = append(http1.AppendFields(out, &m.Fields), "\r\n"...)
	want := "GET / HTTP/1.1\r\nhost: a.example\r\nx: y\r\ncookie: a; b\r\n\r\n"
	if string(out) != want {
		t.Errorf("%q", out)
	}
	lim := http1.DefaultLimits()
	var r http1.Request
	r.Reset()
	if n, err := r.Parse(out, &lim); n != len(out) || err != nil || string(r.Authority) != "a.example" {
		t.Errorf("%d, %v, %q", n, err, r.Authority)
	}
	if v, ok := m.Get(header.Host); !ok || string(v) != "a.example" {
		t.Errorf("Host is %q", v)
	}
}

func TestMessageLimits(t *testing.T) {
	cfg := DefaultConfig()
	m, fault := decodeMessage(kindRequest, &cfg, true, append(pairs(get), "x", strings.Repeat("y", cfg.MaxHeaderList))...)
	if fault != "" || !m.TooLarge || m.bomb {
		t.Errorf("one large field: %q, too large %v, bomb %v", fault, m.TooLarge, m.bomb)
	}
	var many []string
	for range cfg.MaxFields {
		many = append(many, "x", "y")
	}
	m, fault = decodeMessage(kindRequest, &cfg, true, append(pairs(get), many...)...)
	if fault != "" || !m.TooLarge || m.bomb || cap(m.store) > cfg.MaxHeaderList {
		t.Errorf("many fields: %q, too large %v, bomb %v", fault, m.TooLarge, m.bomb)
	}
	m, _ = decodeMessage(kindRequest, &cfg, true, append(pairs(get), "x", strings.Repeat("y", bombFactor*cfg.MaxHeaderList))...)
	if !m.bomb {
		t.Error("far too large, and no bomb")
	}
}

// decodeAll is x/net's reading of a block.
func decodeAll(t testing.TB, d *hpack.Decoder, b []byte) string {
	list, err := d.DecodeFull(b)
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	var s strings.Builder
	for _, f := range list {
		s.WriteString("|" + f.Name + "=" + f.Value)
		if f.Sensitive {
			s.WriteString("!")
		}
	}
	return s.String()
}

// TestEncoder: x/net's decoder reads what the encoder writes, again and again while tables fill, shrink and vanish.
func TestEncoder(t *testing.T) {
	for _, limit := range []int{0, 64, 4096, 16384} {
		var e encoder
		e.init(min(limit, defaultTableSize), limit)
		d := hpack.NewDecoder(defaultTableSize, nil)
		d.SetAllowedMaxDynamicTableSize(1 << 20)
		for round := range 200 {
			switch round {
			case 50:
				e.resize(0)
			case 100:
				e.resize(100)
			case 150:
				e.resize(1 << 16)
			case 175: // what it was meanwhile is told, too
				e.resize(0)
				e.resize(1 << 16)
			}
			e.dst = e.dst[:0]
			n := []byte{'0' + byte(round%10), '0' + byte(round/10%10)}
			e.pseudo(statusID, statusName, "200")
			e.field(header.ContentType, []byte("content-type"), []byte("text/html"))
			e.field(header.Date, []byte("date"), append([]byte("Mon "), n...))
			e.field(header.ContentLength, []byte("content-length"), n)
			e.field(header.Other, []byte("x-"+string(n)), bytes.Repeat(n, round))
			e.field(header.SetCookie, []byte("set-cookie"), []byte("secret"))
			e.field(header.TransferEncoding, []byte("transfer-encoding"), []byte{0xff, 0})
			e.field(header.Other, []byte("x-empty"), nil)
			want := "|:status=200|content-type=text/html|date=Mon " + string(n) + "|content-length=" + string(n) + "|x-" + string(n) + "=" +
				string(bytes.Repeat(n, round)) + "|set-cookie=secret!|transfer-encoding=\xff\x00|x-empty="
			if got := decodeAll(t, d, e.dst); got != want {
				t.Fatalf("limit %d, round %d: %s, want %s", limit, round, got, want)
			}
		}
	}
}

// TestEncoderStaticNames: the table's indexes are those of RFC 7541, as x/net has them.
func TestEncoderStaticNames(t *testing.T) {
	for id := header.Other + 1; id <= pathID; id++ {
		if staticNames[id] == 0 {
			continue
		}
		name := strings.ToLower(id.String())
		if id == pathID {
			name = ":path"
		}
		var e encoder
		e.init(defaultTableSize, defaultTableSize)
		e.literal(id, 0, []byte(name), []byte("v"))
		if got := decodeAll(t, hpack.NewDecoder(defaultTableSize, nil), e.dst); got != "|"+name+"=v" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestEncoderIndexing: a field that repeats is one byte from its third time on; what may not enter the table never does.
func TestEncoderIndexing(t *testing.T) {
	var e encoder
	e.init(defaultTableSize, defaultTableSize)
	size := func(id header.ID, name, value string) int {
		e.dst = e.dst[:0]
		e.field(id, []byte(name), []byte(value))
		return len(e.dst)
	}
	for i, repeats := range []bool{false, false, true, true} {
		if n := size(header.Other, "x-request-class", "interactive"); (n == 1) != repeats {
			t.Errorf("time %d: %d bytes", i, n)
		}
		for id := range header.NumIDs {
			if (secret|rarely)>>id&1 == 1 {
				if n := size(id, strings.ToLower(id.String()), "a value"); n == 1 {
					t.Errorf("%s was indexed", id)
				}
			}
		}
	}
}

// TestEncoderRemembers: fields that each message has stay in the table, however many come once between them.
func TestEncoderRemembers(t *testing.T) {
	var e encoder
	e.init(defaultTableSize, defaultTableSize)
	d := hpack.NewDecoder(defaultTableSize, nil)
	for round := range 300 {
		e.dst = e.dst[:0]
		for i := range 20 {
			e.field(header.Other, []byte("x-"+string(rune('a'+i))), []byte("the same"))
		}
		repeated := len(e.dst)
		e.field(header.Other, []byte("x-once"), []byte(strings.Repeat(string(rune('a'+round%26)), round)))
		if decodeAll(t, d, e.dst); round > 2 && repeated != 20 {
			t.Fatalf("round %d: %d bytes for 20 fields", round, repeated)
		}
	}
}

// FuzzMessage: whatever is accepted goes out as HTTP/1.1 and is read there as one message with the same fields; nothing breaks
// out of its field.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{get, get + "|cookie=a|cookie=b|x=y", ":method=POST|:scheme=http|:path=/?|host=a|content-length=3", ":method=CONNECT|:authority=a:1"} {
		f.Add(s)
	}
	cfg := DefaultConfig()
	lim := http1.Limits{MaxLine: 1 << 20, MaxHead: 1 << 20, MaxFields: 1000}
	f.Fuzz(func(t *testing.T, s string) {
		for line := range strings.SplitSeq(s, "|") {
			if len(line) < 2 || !strings.Contains(line[1:], "=") {
				return
			}
		}
		m, fault := decodeMessage(kindRequest, &cfg, true, pairs(s)...)
		if fault != "" || m.TooLarge || m.Method == http1.CONNECT {
			return
		}
		out := http1.AppendRequestLine(nil, m.MethodToken, m.Path, m.Query, m.HasQuery)
		out = append(http1.AppendFields(out, &m.Fields), "\r\n"...)
		var r http1.Request
		r.Reset()
		n, err := r.Parse(out, &lim)
		if n != len(out) || err != nil && err != http1.ErrExpectation {
			if err == http1.ErrExpectation {
				return
			}
			t.Fatalf("%q: %q is no request: %v", s, out, err)
		}
		if !bytes.Equal(r.MethodToken, m.MethodToken) || !bytes.Equal(r.Path, m.Path) || !bytes.Equal(r.Authority, m.Authority) || !bytes.Equal(r.Query, m.Query) {
			t.Fatalf("%q: %q reads differently", s, out)
		}
		if m.ContentLength >= 0 && r.ContentLength != m.ContentLength {
			t.Fatalf("%q: a body of %d, then of %d", s, m.ContentLength, r.ContentLength)
		}
	})
}
