package grpcweb

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/proto/header"
)

// pieces is a body in pieces, with trailers.
type pieces struct {
	list     []string
	trailers *header.Fields
}

func (p *pieces) Next() ([]byte, error) {
	if len(p.list) == 0 {
		return nil, io.EOF
	}
	s := p.list[0]
	p.list = p.list[1:]
	return []byte(s), nil
}
func (p *pieces) Ready() bool              { return true }
func (p *pieces) Trailers() *header.Fields { return p.trailers }
func (p *pieces) Close()                   {}

func all(b exchange.Body) (string, error) {
	var s strings.Builder
	for {
		p, err := b.Next()
		if err == io.EOF {
			return s.String(), nil
		}
		if err != nil {
			return s.String(), err
		}
		s.Write(p)
	}
}

// end is the server: it keeps what it got, and answers.
type end struct {
	got    string
	err    error
	answer func(x *exchange.Exchange)
}

func (e *end) Handle(x *exchange.Exchange) error {
	ct, _ := x.Request.Fields.Get(header.ContentType)
	te, _ := x.Request.Fields.Get(header.TE)
	e.got = fmt.Sprintf("%s te=%s ", ct, te)
	if x.Request.Body != nil {
		body, err := all(x.Request.Body)
		e.got += body
		if err != nil {
			return err
		}
	}
	if e.err == nil {
		e.answer(x)
	}
	return e.err
}

func message(fields ...string) *header.Fields {
	f := new(header.Fields)
	for i := 0; i < len(fields); i += 2 {
		f.Add(fields[i], []byte(fields[i+1]))
	}
	return f
}

func TestTranslation(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	const tail = "\x80\x00\x00\x00\x1egrpc-status: 0\r\ngrpc-note: n\r\n"
	for _, test := range []struct {
		name, contentType string
		body              []string
		sent              string // to the server
		answerType        string
		answer            []string // of the server; nil: no body
		wantType, want    string
	}{
		{"binary", "application/grpc-web+proto", []string{"\x00\x00", "abc"}, "application/grpc+proto te=trailers \x00\x00abc",
			"application/grpc+proto", []string{"xy", "z"}, "application/grpc-web+proto", "xyz" + tail},
		{"text", "application/grpc-web-text", []string{"YWJ", "jZGU=", "Zg=", "=", encode([]byte("ghi"))}, "application/grpc te=trailers abcdefghi",
			"application/grpc", []string{"xy", "z"}, "application/grpc-web-text", encode([]byte("xy")) + encode([]byte("z")) + encode([]byte(tail))},
		{"trailers only", "application/grpc-web", nil, "application/grpc te=trailers ", "application/grpc", nil, "application/grpc-web", ""},
		{"an answer that is not gRPC", "application/grpc-web", nil, "application/grpc te=trailers ", "text/html", []string{"no"}, "text/html", "no"},
		{"not gRPC-Web", "application/grpc", []string{"a"}, "application/grpc te= a", "application/grpc", []string{"b"}, "application/grpc", "b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := (&Spec{Text: true}).New()
			for range 2 { // a filter translates more than once
				e := &end{answer: func(x *exchange.Exchange) {
					x.Response = exchange.Response{Status: 200, Fields: message("Content-Type", test.answerType, "Content-Length", "3"), ContentLength: 3}
					if test.answer != nil {
						x.Response.Body = &pieces{test.answer, message("grpc-status", "0", "Grpc-Note", "n")}
					}
				}}
				x := &exchange.Exchange{Request: exchange.Request{Fields: message("Content-Type", test.contentType)}}
				if test.body != nil {
					x.Request.Body = &pieces{list: test.body}
				}
				if err := (&filter.Chain{Filters: []filter.Filter{g}, End: e}).Handle(x); err != nil {
					t.Fatal(err)
				}
				if e.got != test.sent {
					t.Errorf("the server got %q, want %q", e.got, test.sent)
				}
				ct, _ := x.Response.Fields.Get(header.ContentType)
				got := ""
				if x.Response.Body != nil {
					got, _ = all(x.Response.Body)
				}
				if string(ct) != test.wantType || got != test.want {
					t.Errorf("the client got %s %q, want %s %q", ct, got, test.wantType, test.want)
				}
				if n := x.Response.Fields.Count(header.ContentLength); test.want != "" && strings.Contains(test.wantType, "web") && n != 0 {
					t.Error("the length is that of another body")
				}
				x.DropResponse()
			}
		})
	}
}

// TestAccept: the answer has the form that Accept names, and the request's where it names none or both.
func TestAccept(t *testing.T) {
	const binary, text = "application/grpc-web", "application/grpc-web-text"
	for _, test := range []struct {
		contentType string
		accept      []string
		translates  bool // text too
		want        string
	}{
		{binary, nil, true, binary},
		{binary, []string{"*/*"}, true, binary},
		{binary, []string{text}, true, text},
		{binary, []string{"text/html, Application/grpc-web-text+proto ;q=1"}, true, text},
		{binary, []string{"text/html", text}, true, text},
		{binary, []string{text}, false, binary},
		{binary, []string{text + ", " + binary}, true, binary},
		{binary, []string{"application/grpc-web-textual", ",;,"}, true, binary},
		{text, []string{"*/*"}, true, text},
		{text, []string{binary + "+proto"}, true, binary},
		{text, []string{binary, text}, true, text},
	} {
		e := &end{answer: func(x *exchange.Exchange) {
			x.Response = exchange.Response{Status: 200, Fields: message("Content-Type", "application/grpc"), Body: &pieces{list: []string{"xyz"}}}
		}}
		fields := message("Content-Type", test.contentType)
		for _, a := range test.accept {
			fields.Add("Accept", []byte(a))
		}
		x := &exchange.Exchange{Request: exchange.Request{Fields: fields}}
		if err := (&filter.Chain{Filters: []filter.Filter{(&Spec{Text: test.translates}).New()}, End: e}).Handle(x); err != nil {
			t.Fatal(err)
		}
		ct, _ := x.Response.Fields.Get(header.ContentType)
		got, _ := all(x.Response.Body)
		if wantBody := map[string]string{binary: "xyz", text: "eHl6"}[test.want]; string(ct) != test.want || !strings.HasPrefix(got, wantBody) {
			t.Errorf("%s that accepts %q gets %s %q, want %s", test.contentType, test.accept, ct, got, test.want)
		}
		x.DropResponse()
	}
}

func TestFailures(t *testing.T) {
	g := (&Spec{Text: true}).New()
	for _, body := range []string{"YWJ", "****", "YW=j", "YQ=a"} {
		x := &exchange.Exchange{Request: exchange.Request{Fields: message("Content-Type", "application/grpc-web-text"), Body: &pieces{list: []string{body}}}}
		err := (&filter.Chain{Filters: []filter.Filter{g}, End: &end{}}).Handle(x)
		if ct, _ := x.Request.Fields.Get(header.ContentType); !errors.Is(err, errs.BadRequest) || string(ct) != "application/grpc-web-text" {
			t.Errorf("%q: %v, %s", body, err, ct)
		}
	}
	x := &exchange.Exchange{Request: exchange.Request{Fields: message("Content-Type", "application/grpc-web-text")}}
	e := &end{answer: func(x *exchange.Exchange) { x.Response = exchange.Response{Status: 200, Fields: message()} }}
	if err := (&filter.Chain{Filters: []filter.Filter{new(Spec).New()}, End: e}).Handle(x); err != nil || !strings.HasPrefix(e.got, "application/grpc-web-text") {
		t.Errorf("base64 that was not to be translated: %v, %q", err, e.got)
	}
	gone := errors.New("gone")
	x = &exchange.Exchange{Request: exchange.Request{Fields: message("Content-Type", "application/grpc-web")}}
	if err := (&filter.Chain{Filters: []filter.Filter{g}, End: &end{err: gone}}).Handle(x); err != gone {
		t.Error(err)
	}
}

// FuzzRequest: however a body is cut, it decodes to the same.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("hello"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		text := base64.StdEncoding.EncodeToString(data) + base64.StdEncoding.EncodeToString(data)
		cut = max(min(cut, len(text)), 0)
		var r request
		r.start(&pieces{list: []string{text[:cut], text[cut:]}})
		if got, err := all(&r); err != nil || got != string(data)+string(data) {
			t.Errorf("%q cut at %d: %q, %v", text, cut, got, err)
		}
	})
}
