package keyless

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// maxIdle is how many connections to the server a loop keeps.
const maxIdle = 16

// Client asks a key server for signatures, on one loop. Each of its connections carries one request at a time.
type Client struct {
	n       *conn.Net
	addr    conn.Address
	err     error // of the address
	timeout time.Duration
	idle    []*conn.Conn
	closed  bool
}

// NewClient makes a client of the server at address. A signature takes no longer than timeout.
func NewClient(n *conn.Net, address string, timeout time.Duration) *Client {
	c := &Client{n: n, timeout: timeout}
	c.addr, c.err = conn.NewAddress(address)
	return c
}

// ServerError is what the key server said in place of a signature.
type ServerError struct {
	Status Status
	Msg    string
}

// Error gives the server's words.
func (e *ServerError) Error() string { return "keyless: the key server says: " + e.Msg }

// Sign has digest signed with the key whose public half is public, in the task t. A connection that the server has closed
// meanwhile is replaced once.
func (c *Client) Sign(t *loop.Task, public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	r := Request{Hash: opts.HashFunc(), Digest: digest}
	_, r.PSS = opts.(*rsa.PSSOptions)
	var err error
	if r.Key, err = IDOf(public); err != nil {
		return nil, err
	}
	msg, err := r.Append(nil)
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, err
	}
	var sig []byte
	err = loop.Timeout(t, c.timeout, func() (err error) {
		for again := false; ; again = true {
			var reused bool
			sig, reused, err = c.ask(msg, again)
			var said *ServerError
			if err == nil || !reused || errors.As(err, &said) || t.Cause() != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("keyless: %s: %w", c.addr.String(), err)
	}
	return sig, nil
}

// ask sends one request and reads its response.
func (c *Client) ask(msg []byte, fresh bool) (sig []byte, reused bool, err error) {
	k, reused, err := c.take(fresh)
	if err != nil {
		return nil, false, err
	}
	resp, err := roundTrip(k, msg)
	if err != nil {
		_ = k.Close()
		return nil, reused, err
	}
	if c.closed || len(c.idle) >= maxIdle || k.Err() != nil || len(k.Buffered()) > 0 {
		_ = k.Close()
	} else {
		c.idle = append(c.idle, k)
	}
	if resp.Status != Signed {
		return nil, reused, &ServerError{resp.Status, string(resp.Body)}
	}
	return resp.Body, reused, nil
}

func (c *Client) take(fresh bool) (k *conn.Conn, reused bool, err error) {
	if n := len(c.idle) - 1; n >= 0 && !fresh {
		k, c.idle = c.idle[n], c.idle[:n]
		return k, true, nil
	}
	k, err = conn.Dial(c.n, &c.addr, c.timeout)
	return k, false, err
}

// roundTrip sends a request and reads the response, which is a copy.
func roundTrip(k *conn.Conn, msg []byte) (Response, error) {
	if _, err := k.Write(msg); err != nil {
		return Response{}, err
	}
	var have []byte
	for {
		p, err := k.ReadBuf()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return Response{}, err
		}
		have = append(have, p...)
		k.Consume(len(p))
		b, n, err := cut(have)
		if err != nil {
			return Response{}, err
		}
		if n > 0 {
			if n < len(have) {
				return Response{}, ErrMalformed // it answers what was not asked
			}
			r, err := ParseResponse(bytes.Clone(b))
			return r, err
		}
	}
}

// Close gives the idle connections up; those in use follow.
func (c *Client) Close() {
	c.closed = true
	for _, k := range c.idle {
		_ = k.Close()
	}
	c.idle = nil
}
