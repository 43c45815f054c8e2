package errs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendProblem(t *testing.T) {
	secret := errors.New("dial 10.0.0.7:3306: password")
	tests := []struct {
		name string
		err  error
		id   string
		want string
	}{
		{"code only", New(NoRoute, "secret"), "",
			`{"type":"urn:ringway:error:no_route","title":"No route matches the request","status":404,"code":"no_route"}`},
		{"wrapped with detail and id", Wrap(From(BadRequest, secret, "secret").Public(`bad "Host"`), "secret"), "r1",
			`{"type":"urn:ringway:error:bad_request","title":"The request is malformed","status":400,"detail":"bad \"Host\"","code":"bad_request","request_id":"r1"}`},
		{"outermost detail wins", From(Internal, New(BadRequest, "m").Public("in"), "m").Public("out"), "",
			`{"type":"urn:ringway:error:internal","title":"The gateway failed","status":500,"detail":"out","code":"internal"}`},
		{"foreign", secret, "",
			`{"type":"urn:ringway:error:internal","title":"The gateway failed","status":500,"code":"internal"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendProblem([]byte("x"), tt.err, tt.id)); got != "x"+tt.want {
				t.Errorf("got  %s\nwant x%s", got, tt.want)
			}
		})
	}
}

func TestProblemMembers(t *testing.T) {
	got := string(Problem{Title: "T", Instance: "/i"}.Append(nil))
	if want := `{"type":"about:blank","title":"T","instance":"/i"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = string(Problem{Type: "https://example.com/p", Status: 400}.Append(nil))
	if want := `{"type":"https://example.com/p","status":400}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPublicLeavesOriginalAlone(t *testing.T) {
	e := New(BadRequest, "m")
	if e.Public("d") == e || PublicDetail(e) != "" {
		t.Error("Public changed a shared error")
	}
}

func TestAppendProblemAllocatesNothing(t *testing.T) {
	err := Wrap(Wrap(New(BadRequest, "m").Public("a detail"), "a"), "b")
	foreign := errors.New("x")
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendProblem(dst[:0], err, "request-1")
		dst = AppendProblem(dst, foreign, "request-1")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendJSONString(t *testing.T) {
	for in, want := range map[string]string{
		"":                  `""`,
		"plain /a?b=c":      `"plain /a?b=c"`,
		"\"\\\n\r\t":        `"\"\\\n\r\t"`,
		"\x00\x1f\x7f":      `"\u0000\u001f\u007f"`,
		"é漢😀":               `"é漢😀"`,
		"a\xffb\xc3":        "\"a\ufffdb\ufffd\"",
		"\u009b31m\u00a0":   "\"\\u009b31m\u00a0\"",
		"\ufffd kept":       "\"\ufffd kept\"",
		"\xed\xa0\x80 half": "\"\ufffd\ufffd\ufffd half\"",
	} {
		if got := string(AppendJSONString(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func FuzzAppendJSONString(f *testing.F) {
	f.Add([]byte("a\"\\\x00\xff\u009b漢"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := AppendJSONString(nil, in)
		if string(AppendJSONString(nil, string(in))) != string(out) {
			t.Fatal("string and []byte differ")
		}
		var back string
		if err := json.Unmarshal(out, &back); err != nil || !utf8.Valid(out) {
			t.Fatalf("%q: %v in %s", in, err, out)
		}
		// What comes back is the input with every invalid byte replaced.
		want := strings.Map(func(r rune) rune { return r }, string(in))
		if back != want {
			t.Fatalf("%q came back as %q", in, back)
		}
		for _, c := range string(out) {
			if c < 0x20 || c >= 0x7f && c < 0xa0 {
				t.Fatalf("control character %U in %q", c, out)
			}
		}
	})
}
