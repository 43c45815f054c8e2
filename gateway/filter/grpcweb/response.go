package grpcweb

import (
	"encoding/base64"
	"encoding/binary"
	"io"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/proto/header"
)

// response is a body with its trailers behind it as a message, in base64 where the client wants that.
type response struct {
	body  exchange.Body
	text  bool
	ended bool
	out   []byte
	tail  []byte
}

func (r *response) start(body exchange.Body, text bool) { r.body, r.text, r.ended = body, text, false }

// Next lends the next bytes. Each chunk is encoded by itself, so that a message is there when its last byte is.
func (r *response) Next() ([]byte, error) {
	if r.ended {
		return nil, io.EOF
	}
	p, err := r.body.Next()
	if err == io.EOF {
		r.ended = true
		r.tail = appendTrailers(r.tail[:0], r.body.Trailers())
		p, err = r.tail, nil
	}
	if err != nil || !r.text {
		return p, err
	}
	r.out = base64.StdEncoding.AppendEncode(r.out[:0], p)
	return r.out, nil
}

// trailersFlag marks the message that holds the trailers.
const trailersFlag = 0x80

// appendTrailers appends the message of the trailers: as the fields of HTTP/1.1, their names in lower case.
func appendTrailers(dst []byte, f *header.Fields) []byte {
	start := len(dst)
	dst = append(dst, trailersFlag, 0, 0, 0, 0)
	if f != nil {
		for name, value := range f.All() {
			for _, c := range name {
				if 'A' <= c && c <= 'Z' {
					c |= 0x20
				}
				dst = append(dst, c)
			}
			dst = append(append(append(dst, ": "...), value...), "\r\n"...)
		}
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-5))
	return dst
}

// Ready reports whether Next would not wait.
func (r *response) Ready() bool { return r.ended || r.body.Ready() }

// Trailers are none any more.
func (r *response) Trailers() *header.Fields { return nil }

// Close gives the body's chunk back.
func (r *response) Close() {
	if r.body != nil {
		r.body.Close()
	}
}
