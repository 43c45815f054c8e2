package keyless

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// MaxConns is how many connections a key server has at a time; the next ones wait.
const MaxConns = 1024

// idleTimeout is how long a connection may say nothing, or not take its answer.
const idleTimeout = 10 * time.Minute

// Server signs with the keys it has.
type Server struct {
	Signatures atomic.Uint64
	Refused    atomic.Uint64

	keys map[KeyID]crypto.Signer
	log  *slog.Logger
}

// NewServer makes a server with these keys.
func NewServer(keys []crypto.Signer, log *slog.Logger) (*Server, error) {
	s := &Server{keys: map[KeyID]crypto.Signer{}, log: log}
	for _, k := range keys {
		id, err := IDOf(k.Public())
		if err != nil {
			return nil, err
		}
		s.keys[id] = k
	}
	if len(s.keys) == 0 {
		return nil, errors.New("keyless: no key to sign with")
	}
	return s, nil
}

// Serve answers who connects to ln until ctx ends; then it closes ln and every connection, and returns nil.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	room := make(chan struct{}, MaxConns)
	for {
		room <- struct{}{}
		c, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		running.Go(func() {
			defer func() { <-room }()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			s.serve(c)
			_ = c.Close()
		})
	}
}

// serve answers the requests of one connection, one after the other.
func (s *Server) serve(c net.Conn) {
	in := bufio.NewReader(c)
	var buffer [MaxMessage]byte
	for {
		_ = c.SetDeadline(time.Now().Add(idleTimeout))
		var length [lengthSize]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(length[:])
		if n > MaxMessage {
			s.Refused.Add(1)
			return
		}
		if _, err := io.ReadFull(in, buffer[:n]); err != nil {
			return
		}
		resp := s.answer(buffer[:n])
		if _, err := c.Write(resp.Append(nil)); err != nil {
			return
		}
	}
}

func (s *Server) answer(b []byte) Response {
	r, err := ParseRequest(b)
	if err != nil {
		return s.refuse(BadRequest, err.Error())
	}
	key := s.keys[r.Key]
	if key == nil {
		return s.refuse(UnknownKey, "no such key here")
	}
	sig, err := key.Sign(rand.Reader, r.Digest, r.Options())
	if err != nil {
		return s.refuse(Failed, err.Error())
	}
	s.Signatures.Add(1)
	return Response{Signed, sig}
}

func (s *Server) refuse(status Status, msg string) Response {
	s.Refused.Add(1)
	s.log.Warn("signature refused", "reason", msg)
	return Response{status, []byte(msg)}
}
