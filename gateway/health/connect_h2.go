package health

import (
	"bytes"
	"errors"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// alpnHTTP2 is ALPN's name of HTTP/2.
const alpnHTTP2 = "h2"

// errNoHTTP2 says that a server of a cluster that speaks nothing else does not speak HTTP/2.
var errNoHTTP2 = errors.New("TLS settled on another protocol than h2")

// alone is the owner of a connection for one request.
type alone struct{}

// Freed has nobody else to give room to.
func (alone) Freed(*h2.Conn) {}

// GoingAway changes nothing: there is no next request.
func (alone) GoingAway(*h2.Conn, http2.ErrCode) {}

// Closed needs nothing done: the connection has closed its transport.
func (alone) Closed(*h2.Conn) {}

// Panicked needs nothing done: the check fails, and the connection has logged it.
func (alone) Panicked(*h2.Conn) {}

// overHTTP2 asks for the path by HTTP/2. The stream belongs to the connection that is made of it, and is closed with it.
func (s *HTTPSpec) overHTTP2(stream conn.Stream, to *peer) (status int, err error) {
	cfg := http2.DefaultConfig()
	c := h2.New(stream, &h2.Config{HTTP2: &cfg, Streams: 1, Write: s.Timeout.Std()}, alone{})
	c.Start()
	defer c.Drain()
	path, query, has := bytes.Cut([]byte(s.Path), []byte("?"))
	head := http2.RequestHead{Method: []byte("GET"), Scheme: "http", Authority: []byte(s.host(to)), Path: path, Query: query, HasQuery: has}
	if to.tls != nil {
		head.Scheme = "https"
	}
	var fields header.Fields
	fields.Add("user-agent", []byte(userAgent))
	fields.Add("accept", []byte("*/*"))
	x, err := c.Open(&head, &fields, true)
	if err != nil {
		return 0, err
	}
	defer x.Release()
	for range maxInterims {
		if err := x.Await(); err != nil {
			return 0, err
		}
		if m := x.Message(); m != nil {
			return m.Status, nil
		}
		x.TakeInterim()
	}
	return 0, errInterims
}
