package grpcweb

import (
	"bytes"
	"encoding/base64"
	"io"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/proto/header"
)

// request is a body in base64, decoded. Each message may be encoded by itself, so that padding occurs within.
type request struct {
	body exchange.Body
	in   []byte // not decoded yet: less than a group of four, but while a chunk is being taken apart
	out  []byte
}

func (r *request) start(body exchange.Body) { r.body, r.in, r.out = body, r.in[:0], r.out[:0] }

var errBase64 = errs.New(errs.BadRequest, "read gRPC-Web").Public("the body is not base64")

// Next lends what the next chunk decodes to.
func (r *request) Next() ([]byte, error) {
	for {
		p, err := r.body.Next()
		if err == io.EOF && len(r.in) > 0 {
			return nil, errBase64
		}
		if err != nil {
			return nil, err
		}
		r.in = append(r.in, p...)
		if err := r.decode(); err != nil {
			return nil, err
		}
		if len(r.out) > 0 {
			return r.out, nil
		}
	}
}

// decode decodes whole groups, up to each padding by itself.
func (r *request) decode() error {
	r.out = r.out[:0]
	in := r.in
	for len(in) >= 4 {
		n := len(in) / 4 * 4
		if i := bytes.IndexByte(in[:n], '='); i >= 0 {
			n = i/4*4 + 4
		}
		var err error
		if r.out, err = base64.StdEncoding.AppendDecode(r.out, in[:n]); err != nil {
			return errBase64
		}
		in = in[n:]
	}
	r.in = r.in[:copy(r.in, in)]
	return nil
}

// Ready reports whether there is a chunk, which may decode to nothing.
func (r *request) Ready() bool { return false }

// Trailers are none: gRPC-Web has none in requests.
func (r *request) Trailers() *header.Fields { return nil }

// Close gives the body's chunk back.
func (r *request) Close() {
	if r.body != nil {
		r.body.Close()
	}
}
