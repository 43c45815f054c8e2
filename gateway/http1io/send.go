package http1io

import (
	"errors"
	"io"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http1"
)

const (
	// copyLimit is the longest piece of body that is copied behind what waits to be sent: below it a copy costs less
	// than a call with two buffers.
	copyLimit = 4 << 10
	// SpliceLimit is the shortest rest of a body that passes by splice instead of through a buffer.
	SpliceLimit = 48 << 10
	// chunkRoom is room for a chunk's size line and its end.
	chunkRoom = 32
)

// Out is a message on its way out: a head in a block, then a body.
type Out struct {
	Conn    conn.Stream
	Block   *buf.Block // the head; Send owns it
	Body    exchange.Body
	Chunked bool
	Timeout time.Duration // for every wait of a write
	Task    *loop.Task
	Sent    int64   // bytes of body handed over
	Count   *uint64 // goes up by one when the first bytes are handed over; nil: none does

	begun  bool // bytes have been handed over
	copies bool // there was no pipe to splice through
}

// A SourceError is a body that could not be read to its end; other errors of Send are the writing side's.
type SourceError struct{ Err error }

// Error says what broke the body off.
func (e *SourceError) Error() string { return "body ended early: " + e.Err.Error() }

// Unwrap is what broke the body off.
func (e *SourceError) Unwrap() error { return e.Err }

// Send sends the message. When it returns without error every byte has been handed over, though the last may still be on
// their way; Conn.Flush waits for them. The block is gone in any case.
func (o *Out) Send() error {
	o.Conn.SetWriteTimeout(o.Timeout)
	if o.Body == nil {
		return o.flush(true)
	}
	for {
		if o.Block != nil && o.Block.Len > 0 && !o.Body.Ready() {
			if err := o.flush(false); err != nil {
				return err
			}
		}
		if done, err := o.splice(); done || err != nil {
			return err
		}
		p, err := o.Body.Next()
		if err == io.EOF {
			return o.finish()
		}
		if err != nil {
			o.Drop()
			return &SourceError{err}
		}
		if err := o.piece(p); err != nil {
			return err
		}
		o.Sent += int64(len(p))
	}
}

// Begun reports whether any byte of the message has been handed over.
func (o *Out) Begun() bool { return o.begun }

func (o *Out) begin() {
	if !o.begun && o.Count != nil {
		*o.Count++
	}
	o.begun = true
}

// flush sends what the block holds; a fresh one is taken when the next piece needs it.
func (o *Out) flush(last bool) error {
	b := o.Block
	o.Block = nil
	if b == nil {
		return nil
	}
	if b.Len == 0 {
		b.Put()
		return nil
	}
	if !last {
		o.Conn.SetWriteTimeout(o.Timeout)
	}
	o.begin()
	return o.Conn.Send(b)
}

// Drop gives back a head that was not sent, after a Send that did not return: it panicked.
func (o *Out) Drop() {
	if o.Block != nil {
		o.Block.Put()
		o.Block = nil
	}
}

// room makes sure that the block has n free bytes.
func (o *Out) room(n int) error {
	if o.Block != nil && len(o.Block.Bytes)-o.Block.Len >= n {
		return nil
	}
	if err := o.flush(false); err != nil {
		return err
	}
	if o.Block = o.Conn.Net().Small(); o.Block == nil {
		return ErrNoBlocks
	}
	return nil
}

// piece sends one piece of the body, behind what waits in the block.
func (o *Out) piece(p []byte) error {
	if len(p) <= copyLimit {
		return o.copyPiece(p)
	}
	if err := o.room(chunkRoom); err != nil {
		return err
	}
	b := o.Block
	if o.Chunked {
		b.Len = len(http1.AppendChunkHeader(b.Data(), len(p)))
	}
	o.Conn.SetWriteTimeout(o.Timeout)
	o.begin()
	err := o.Conn.WriteBufs(b.Data(), p, o.Chunked)
	b.Len = 0
	if err != nil {
		o.Drop()
		return err
	}
	if o.Chunked {
		b.Len = copy(b.Bytes, "\r\n")
	}
	return nil
}

func (o *Out) copyPiece(p []byte) error {
	if err := o.room(len(p) + chunkRoom); err != nil {
		return err
	}
	b := o.Block
	out := b.Data()
	if o.Chunked {
		out = http1.AppendChunkHeader(out, len(p))
	}
	out = append(out, p...)
	if o.Chunked {
		out = append(out, "\r\n"...)
	}
	b.Len = len(out)
	return nil
}

// finish ends the body: the last chunk with its trailers, if it is chunked.
func (o *Out) finish() error {
	if !o.Chunked {
		return o.flush(true)
	}
	trailers := o.Body.Trailers()
	if trailers == nil || trailers.Len() == 0 {
		if err := o.room(chunkRoom); err != nil {
			return err
		}
		o.Block.Len = len(http1.AppendLastChunk(o.Block.Data(), nil))
		return o.flush(true)
	}
	// A trailer section is bounded by its parser's limits, not by what a small block has left.
	tail := http1.AppendLastChunk(nil, trailers)
	if err := o.flush(false); err != nil {
		return err
	}
	_, err := o.Conn.Write(tail)
	return err
}

// splice moves the rest of the body inside the kernel, if it is long enough and nothing stands between.
func (o *Out) splice() (bool, error) {
	s, ok := o.Body.(exchange.Splicer)
	dst, plain := o.Conn.(*conn.Conn)
	if !ok || !plain || o.Chunked || o.copies {
		return false, nil
	}
	src, n, timeout := s.Splice()
	if n < SpliceLimit {
		return false, nil
	}
	if err := o.flush(false); err != nil {
		return false, err
	}
	src.SetReadTimeout(timeout)
	o.Conn.SetWriteTimeout(o.Timeout)
	moved, err := conn.Splice(o.Task, dst, src, n, func(int64) {
		src.SetReadTimeout(timeout)
		o.Conn.SetWriteTimeout(o.Timeout)
	})
	o.Sent += moved
	var noPipe *conn.NoPipeError
	if errors.As(err, &noPipe) {
		s.Spliced(moved, nil)
		o.copies = true
		return false, nil
	}
	s.Spliced(moved, err)
	if err == nil {
		return true, nil
	}
	if o.Conn.WriteErr() == nil && o.Conn.Err() == nil {
		return false, &SourceError{err}
	}
	return false, err
}
