package grpcweb

import (
	"bytes"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/proto/header"
)

// Spec is the filter's configuration.
type Spec struct {
	Text bool `yaml:"text" doc:"Translate the form in base64, application/grpc-web-text, too."`
}

// SetDefaults translates both forms.
func (s *Spec) SetDefaults() { s.Text = true }

// Validate has nothing to report.
func (*Spec) Validate(*config.Check) {}

// New makes the filter.
func (s *Spec) New() filter.Filter { return &grpcWeb{text: s.Text} }

// Answers is false: the request goes on.
func (*Spec) Answers() bool { return false }

// grpcWeb is the filter, with the translations that it keeps for reuse.
type grpcWeb struct {
	text bool // of base64 too
	idle []*translation
}

// maxIdle is how many translations are kept.
const maxIdle = 256

// translation is one exchange between the two. It stands in for the response's owner, to be given back at the end.
type translation struct {
	f        *grpcWeb
	x        *exchange.Exchange
	owner    exchange.Owner
	body     exchange.Body // of the request, as it came
	length   int64
	original []byte // the request's media type
	request  request
	response response
}

// Handle translates the request, and what comes back.
func (g *grpcWeb) Handle(x *exchange.Exchange, next filter.Next) error {
	fields := x.Request.Fields
	value, _ := fields.Get(header.ContentType)
	suffix, text, ok := grpc.Web(value)
	if !ok || text && !g.text {
		return next.Handle(x)
	}
	textBack := g.text && wantsText(fields, text)
	t := g.take()
	t.original = append(t.original[:0], value...)
	t.x, t.body, t.length = x, x.Request.Body, x.Request.ContentLength
	fields.SetID(header.ContentType, append([]byte(grpc.ContentType), suffix...))
	fields.SetID(header.TE, trailers)
	if text && t.body != nil {
		t.request.start(t.body)
		x.Request.Body, x.Request.ContentLength = &t.request, -1
		fields.DelID(header.ContentLength)
	}
	err := next.Handle(x)
	fields.SetID(header.ContentType, t.original) // errors are told, and the log written, in the client's terms
	if err != nil || x.Response.Status == 0 {
		g.put(t)
		return err
	}
	t.owner, x.Response.Owner = x.Response.Owner, t
	t.translate(x, textBack)
	return nil
}

var trailers = []byte("trailers")

// wantsText reports whether the answer goes back in base64: as Accept says where it names one of the two forms, else as the request came.
func wantsText(f *header.Fields, text bool) bool {
	var inText, inBinary bool
	for i := range f.Len() {
		_, value, ok := f.At(i)
		if !ok || f.Field(i).ID != header.Accept {
			continue
		}
		for form := range bytes.SplitSeq(value, comma) {
			form, _, _ = bytes.Cut(form, semicolon)
			if _, t, ok := grpc.Web(bytes.TrimSpace(form)); ok {
				inText, inBinary = inText || t, inBinary || !t
			}
		}
	}
	if inText == inBinary {
		return text
	}
	return inText
}

var comma, semicolon = []byte(","), []byte(";")

// translate makes a response of gRPC one of gRPC-Web. One of trailers only keeps them in its head.
func (t *translation) translate(x *exchange.Exchange, text bool) {
	resp := &x.Response
	if !grpc.Is(resp.Fields) {
		return
	}
	value, _ := resp.Fields.Get(header.ContentType)
	form := grpc.WebType
	if text {
		form = grpc.WebTextType
	}
	resp.Fields.SetID(header.ContentType, append([]byte(form), value[len(grpc.ContentType):]...))
	resp.Fields.DelID(header.Trailer)
	if resp.Body == nil {
		return
	}
	t.response.start(resp.Body, text)
	resp.Body, resp.ContentLength = &t.response, -1
	resp.Fields.DelID(header.ContentLength)
}

// Close ends the exchange: what it came from is closed, and the translation is over.
func (t *translation) Close() {
	if t.owner != nil {
		t.owner.Close()
	}
	t.f.put(t)
}

func (g *grpcWeb) take() *translation {
	if n := len(g.idle) - 1; n >= 0 {
		t := g.idle[n]
		g.idle = g.idle[:n]
		return t
	}
	return &translation{f: g}
}

// put ends a translation: nobody reads the request any more.
func (g *grpcWeb) put(t *translation) {
	t.x.Request.Body, t.x.Request.ContentLength = t.body, t.length
	t.x, t.owner, t.body, t.request.body, t.response.body = nil, nil, nil, nil, nil
	if len(g.idle) < maxIdle && cap(t.response.out) <= maxKept && cap(t.request.out) <= maxKept {
		g.idle = append(g.idle, t)
	}
}

// maxKept is how large a buffer is kept, in bytes.
const maxKept = 64 << 10
