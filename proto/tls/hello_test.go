package tls

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	stdtls "crypto/tls"
)

// Every sample means what crypto/tls makes of it, whatever records it comes in and wherever it is cut.
func TestSamples(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			h, n, err := parse(t, append(bytes.Clone(s.wire), "\x14\x03\x03\x00\x01\x01"...), DefaultMaxSize, 1)
			if n != len(s.wire) || err != nil {
				t.Fatal(n, err)
			}
			info := oracle(s.wire)
			if info == nil {
				t.Fatal("crypto/tls refuses it")
			}
			checkAgainstCryptoTLS(t, h, info)
			t.Log(describe(h))
			message := payloads(s.wire)
			for size := 1; size <= len(message); size++ {
				wire := fragment(message, size)
				step := 1
				if size > 8 {
					step = 1 + len(wire)/50 // each cut for small records only, or this takes minutes
				}
				again, n, err := parse(t, wire, DefaultMaxSize, step)
				if n != len(wire) || err != nil || describe(again) != describe(h) {
					t.Fatalf("records of %d: %d of %d, %v, %s", size, n, len(wire), err, describe(again))
				}
			}
		})
	}
}

func TestKnownSamples(t *testing.T) {
	want := map[string]string{
		"openssl-3.0.hex":        `TLS 1.2, session 32, name "Www.Example.COM", ECH none, ALPN "h2" "http/1.1", versions TLS 1.3 TLS 1.2 TLS 1.1 TLS 1.0, max TLS 1.3, lists true true`,
		"openssl-3.0-tls1.2.hex": `TLS 1.2, session 0, name "a_b.example", ECH none, ALPN, versions, max TLS 1.2, lists false false`,
		"openssl-3.0-tls1.0.hex": `TLS 1.0, session 0, name "", ECH none, ALPN, versions, max TLS 1.0, lists false false`,
		"curl-7.88.hex":          `TLS 1.2, session 32, name "site.example", ECH none, ALPN "h2" "http/1.1", versions TLS 1.3 TLS 1.2 TLS 1.1 TLS 1.0, max TLS 1.3, lists true true`,
		"python-3.hex":           `TLS 1.2, session 32, name "xn--bcher-kva.example", ECH none, ALPN, versions TLS 1.3 TLS 1.2, max TLS 1.3, lists false true`,
		"built like a browser's": `TLS 1.2, session 32, name "Accounts.Example.com", ECH outer, ALPN "h2" "http/1.1", versions TLS 1.3 TLS 1.2, max TLS 1.3, lists true true`,
		"crypto/tls, ECH":        `TLS 1.2, session 32, name "public.example", ECH outer, ALPN "h2", versions TLS 1.3, max TLS 1.3, lists true true`,
		"crypto/tls, no name":    `TLS 1.2, session 32, name "", ECH none, ALPN, versions TLS 1.3 TLS 1.2, max TLS 1.3, lists false true`,
		"crypto/tls, PSK":        `TLS 1.2, session 32, name "again.example", ECH none, ALPN, versions TLS 1.3 TLS 1.2, max TLS 1.3, lists false true`,
		"crypto/tls, IP address": `TLS 1.2, session 32, name "", ECH none, ALPN, versions TLS 1.3 TLS 1.2, max TLS 1.3, lists false true`,
	}
	for _, s := range samples(t) {
		h, n, err := ParseClientHello(s.wire)
		if n != len(s.wire) || err != nil {
			t.Fatal(s.name, n, err)
		}
		if w, ok := want[s.name]; ok && describe(&h) != w {
			t.Errorf("%s:\ngot  %s\nwant %s", s.name, describe(&h), w)
		}
		if s.name == "crypto/tls, PSK" && !slices.Contains(oracle(s.wire).Extensions, extPreSharedKey) {
			t.Error("the sample has no pre_shared_key")
		}
		delete(want, s.name)
	}
	if len(want) != 0 {
		t.Error("not seen:", want)
	}
}

// crypto/tls itself spreads a message over records when it does not fit one.
func TestLarge(t *testing.T) {
	cfg := &stdtls.Config{ServerName: "example.com"}
	for range 100 {
		cfg.NextProtos = append(cfg.NextProtos, strings.Repeat("p", 250))
	}
	wire := clientHello(t, cfg)
	h, n, err := parse(t, wire, len(wire), 100)
	if n != len(wire) || err != nil || n < recordMax {
		t.Fatal(n, err)
	}
	checkAgainstCryptoTLS(t, h, oracle(wire))
	for limit, at := range map[int]int{len(wire) - 1: 9, DefaultMaxSize: 5, 300: 5} {
		var h ClientHello
		for i := range at {
			if n, err := h.Parse(wire[:i], limit); n != 0 || err != nil {
				t.Fatal(limit, i, n, err)
			}
		}
		if _, err := h.Parse(wire[:at], limit); err != ErrTooLarge {
			t.Errorf("limit %d: %v with %d bytes", limit, err, at)
		}
	}
}

func TestParseClientHello(t *testing.T) {
	wire := fragment([]byte(messageOf(browser())), 100)
	h, n, err := ParseClientHello(append(bytes.Clone(wire), "more"...))
	if n != len(wire) || err != nil || string(h.ServerName) != "Accounts.Example.com" {
		t.Error(describe(&h), n, err)
	}
	for in, want := range map[string]error{"": nil, string(wire[:len(wire)-1]): nil, "GET ": ErrPlainHTTP, string(helloOf(plain(sni("a"), sni("b")))): ErrDuplicateExtension} {
		h, n, err := ParseClientHello([]byte(in))
		if n != 0 || err != want || describe(&h) != describe(&ClientHello{}) {
			t.Errorf("%q: %s, %d, %v", in, describe(&h), n, err)
		}
	}
}

func TestReset(t *testing.T) {
	var h ClientHello
	first, second := fragment([]byte(messageOf(browser())), 100), helloOf(plain())
	if n, err := h.Parse(first, DefaultMaxSize); n != len(first) || err != nil {
		t.Fatal(n, err)
	}
	if got := string(h.AppendServerName([]byte("x"))); got != "xaccounts.example.com" {
		t.Error(got)
	}
	h.Reset()
	var fresh ClientHello
	if describe(&h) != describe(&fresh) {
		t.Error("something was left:", describe(&h))
	}
	if n, err := h.Parse(second, DefaultMaxSize); n != len(second) || err != nil || h.ServerName != nil || h.Protocols != nil {
		t.Error(n, err, describe(&h))
	}
	h.Reset()
	if _, err := h.Parse([]byte("GET /"), DefaultMaxSize); err != ErrPlainHTTP {
		t.Error(err)
	}
	h.Reset()
	if n, err := h.Parse(first, DefaultMaxSize); n != len(first) || err != nil {
		t.Error("after an error:", n, err)
	}
}

// check compares the code of the error; nothing where the input is accepted, "more" where more is needed.
func check(t *testing.T, name string, input []byte, want string) {
	t.Helper()
	_, n, err := parse(t, input, DefaultMaxSize, 1)
	got := ""
	var e *Error
	switch {
	case errors.As(err, &e):
		got = e.Code
	case n == 0:
		got = "more"
	}
	if got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestNotTLS(t *testing.T) {
	for input, want := range map[string]string{
		"":                             "more",
		"G":                            "more",
		"GET":                          "more",
		"GET / HTTP/1.1\r\n":           "plain_http",
		"PRI * HTTP/2.0\r\n\r\nSM":     "plain_http",
		"CONNECT a:1 HTTP/1.1":         "plain_http",
		"P":                            "more",
		"PROXY TCP4 1.1.1.1":           "not_tls",
		"GETS":                         "not_tls",
		"get / HTTP/1.1":               "not_tls",
		"SSH-2.0-OpenSSH":              "not_tls",
		"EHLO a":                       "not_tls",
		"\x00":                         "not_tls",
		"\x80\x2e\x01\x00\x02\x00\x15": "sslv2",
		"\x80\x2e\x01\x03\x01\x00\x15": "sslv2",
		"\x9a\x2e\x01\x00":             "more",
		"\x80\x2e\x01\x00\x03":         "not_tls",
		"\x80\x2e\x01\x04":             "not_tls",
		"\x80\x2e\x04":                 "not_tls",
		"\xff\xff":                     "more",
		"\x16":                         "more",
		"\x16\x02":                     "not_tls",
		"\x16\xfe\xff":                 "not_tls", // DTLS
		"\x13\x03\x01":                 "not_tls",
		"\x19\x03\x01":                 "not_tls",
		"\x15\x03\x01\x00\x02\x01\x00": "unexpected_record",
		"\x17\x03\x03\x00":             "unexpected_record",
		"\x14\x03":                     "unexpected_record",
		"\x14\x04":                     "not_tls",
	} {
		check(t, input, []byte(input), want)
	}
}

func TestRecords(t *testing.T) {
	message := messageOf(plain(sni("a.example")))
	rec := func(s string) string { return "\x16\x03\x01" + vec(2, s) }
	huge := "\x01\x00\x40\x00"
	for _, tt := range []struct{ name, input, want string }{
		{"in one", rec(message), ""},
		{"any minor version", "\x16\x03\x7f" + rec(message)[3:], ""},
		{"in two", rec(message[:20]) + rec(message[20:]), ""},
		{"versions that differ", rec(message[:20]) + "\x16\x03\x03" + rec(message[20:])[3:], ""},
		{"head in two", rec(message[:2]) + rec(message[2:]), ""},
		{"last byte apart", rec(message[:len(message)-1]) + rec(message[len(message)-1:]), ""},
		{"followed", rec(message) + "anything", ""},
		{"no second one", rec(message[:20]), "more"},
		{"empty record", rec(""), "bad_record_length"},
		{"empty record between", rec(message[:20]) + rec("") + rec(message[20:]), "bad_record_length"},
		{"long record", "\x16\x03\x01\x40\x01", "bad_record_length"},
		{"alert between", rec(message[:20]) + "\x15\x03\x01\x00\x02\x01\x00" + rec(message[20:]), "unexpected_record"},
		{"CCS between", rec(message[:20]) + "\x14\x03\x01\x00\x01\x01" + rec(message[20:]), "unexpected_record"},
		{"no TLS between", rec(message[:20]) + "\x16\x04" + rec(message[20:]), "unexpected_record"},
		{"HTTP between", rec(message[:20]) + "GET / HTTP/1.1", "unexpected_record"},
		{"ServerHello", rec("\x02" + message[1:]), "not_client_hello"},
		{"ServerHello in pieces", rec("\x02") + rec(message[1:]), "not_client_hello"},
		{"byte behind", rec(message + "\x00"), "excess_data"},
		{"byte behind in the second", rec(message[:20]) + rec(message[20:]+"\x00"), "excess_data"},
		{"byte behind a head in pieces", rec(message[:2]) + rec(message[2:]+"\x00"), "excess_data"},
		{"two ClientHellos", rec(message + message), "excess_data"},
		{"too large, said at once", rec(huge)[:recordHead+4], "hello_too_large"},
		{"too large, said in pieces", rec(huge[:3]) + rec(huge[3:]), "hello_too_large"},
		{"too large with headers", string(fragment([]byte("\x01\x00\x0f\xfc"+strings.Repeat("x", 4092)), 1)), "hello_too_large"},
		{"just too large by a record", rec("\x01\x00\x3f\xf7" + strings.Repeat("x", 10)), "hello_too_large"},
	} {
		check(t, tt.name, []byte(tt.input), tt.want)
	}
}
