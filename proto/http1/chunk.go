package http1

import (
	"bytes"
	"math"

	"github.com/ringway/ringway/proto/header"
)

// chunkState is what a ChunkDecoder expects next (RFC 9112 §7.1).
type chunkState uint8

const (
	chunkStart   chunkState = iota // the first digit of a size
	chunkSize                      // more digits, an extension or CR
	chunkSizeEnd                   // LF of the size line
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
	chunkDone

	// Inside chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ).
	extGap // after white space where only ";" may follow
	extStart
	extName
	extNameGap
	extValueStart
	extToken
	extQuoted
	extEscape
	extQuotedEnd
)

const (
	// maxChunkDigits bounds the digits of a size, leading zeros included.
	maxChunkDigits = 16
	// freeOverhead is what a size line may cost without being counted; maxOverhead is how many bytes of framing a body may
	// have above that and above twice its data. Long extensions on tiny chunks are an attack (CVE-2023-39326).
	freeOverhead = 16
	maxOverhead  = 16 << 10
)

// ChunkDecoder takes a chunked body apart (RFC 9112 §7.1). It is strict: sizes are plain hexadecimal, lines end with CRLF,
// extensions must be well-formed (they are then ignored, §7.1.1). Call Reset before use and between bodies.
type ChunkDecoder struct {
	state    chunkState
	digits   int   // of the current size
	line     int   // bytes of the current size line
	left     int64 // bytes of the current chunk that are still to come
	overhead int64
	err      *Error

	lim       *Limits
	buf       []byte // the trailer section, as far as it has come
	lineStart int    // of its current line
	lines     int
	trailers  header.Fields
	rule      header.TrailerRule
}

// Reset makes the decoder ready for a new body, keeping its storage. The limits must stay unchanged until the body's end.
func (d *ChunkDecoder) Reset(lim *Limits) {
	buf, trailers := d.buf[:0], d.trailers
	*d = ChunkDecoder{lim: lim, buf: buf, trailers: trailers}
	d.trailers.Reset(nil)
}

// SetRule says, between Reset and the first Next, which trailers pass: without it the Restricted ones.
func (d *ChunkDecoder) SetRule(rule header.TrailerRule) { d.rule = rule }

// Next consumes n bytes of in and returns the body bytes among them; data aliases in. The caller passes what follows the n
// bytes next time. It calls again until done, or until n is 0 and data is nil: then more input is needed. After done nothing
// more is consumed; after an error each further call returns it again.
func (d *ChunkDecoder) Next(in []byte) (n int, data []byte, done bool, err error) {
	if d.err != nil {
		return 0, nil, false, d.err
	}
	for n < len(in) && d.state != chunkDone {
		var e *Error
		switch d.state {
		case chunkData:
			end := n + int(min(int64(len(in)-n), d.left))
			data = in[n:end:end]
			if d.left -= int64(len(data)); d.left == 0 {
				d.state = chunkDataCR
			}
			return end, data, false, nil
		case chunkTrailer:
			var k int
			k, e = d.trailer(in[n:])
			n += k
		default:
			e = d.step(in[n])
			n++
		}
		if e != nil {
			d.err = e
			return n, nil, false, e
		}
	}
	return n, nil, d.state == chunkDone, nil
}

// Trailers returns the trailer fields after done, without those that its rule holds back. They are valid until Reset.
func (d *ChunkDecoder) Trailers() *header.Fields { return &d.trailers }

// step takes one byte of framing.
func (d *ChunkDecoder) step(c byte) *Error {
	switch d.state {
	case chunkDataCR:
		if c != '\r' {
			return ErrBadChunkEnd
		}
		d.state = chunkDataLF
		return nil
	case chunkDataLF:
		if c != '\n' {
			return ErrBadChunkEnd
		}
		d.state, d.digits, d.line = chunkStart, 0, 0
		return nil
	case chunkSizeEnd:
		if c != '\n' {
			return ErrBareCR
		}
		return d.sizeLineEnd()
	}
	if c == '\n' {
		return ErrBareLF
	}
	if c == '\r' {
		return d.sizeLineCR()
	}
	if d.line++; d.line > d.lim.MaxChunkLine {
		return ErrChunkLineTooLong
	}
	if d.state == chunkStart || d.state == chunkSize {
		return d.size(c)
	}
	if d.state = extension(d.state, c); d.state == chunkStart {
		return ErrBadChunkExtension
	}
	return nil
}

// size takes a byte of chunk-size, or the first one after it.
func (d *ChunkDecoder) size(c byte) *Error {
	switch {
	case is(c, classHex):
		if d.digits++; d.digits > maxChunkDigits || d.left > math.MaxInt64>>4 {
			return ErrBadChunkSize
		}
		d.left, d.state = d.left<<4|int64(hexValue(c)), chunkSize
	case d.state == chunkSize && c == ';':
		d.state = extStart
	case d.state == chunkSize && isSpace(c):
		d.state = extGap
	default:
		return ErrBadChunkSize
	}
	return nil
}

// sizeLineCR ends a size line, where its grammar allows that.
func (d *ChunkDecoder) sizeLineCR() *Error {
	switch d.state {
	case chunkSize, extName, extToken, extQuotedEnd:
		d.state = chunkSizeEnd
		return nil
	case chunkStart:
		return ErrBadChunkSize
	}
	return ErrBadChunkExtension
}

// sizeLineEnd goes on to the data, or from the last chunk to the trailer section.
func (d *ChunkDecoder) sizeLineEnd() *Error {
	if d.left == 0 {
		d.state = chunkTrailer
		return nil
	}
	d.overhead += int64(d.line) - freeOverhead - 2*min(d.left, maxOverhead)
	if d.overhead = max(d.overhead, 0); d.overhead > maxOverhead {
		return ErrChunkOverhead
	}
	d.state = chunkData
	return nil
}

// extension returns the state after c, or chunkStart when c may not stand there. Quoted strings are followed to their end, so
// that a semicolon or digit in them is never taken for framing.
func extension(s chunkState, c byte) chunkState {
	switch s {
	case extQuoted:
		switch {
		case c == '"':
			return extQuotedEnd
		case c == '\\':
			return extEscape
		case is(c, classQuoted):
			return extQuoted
		}
		return chunkStart
	case extEscape:
		if is(c, classText) {
			return extQuoted
		}
		return chunkStart
	}
	switch {
	case isSpace(c):
		switch s {
		case extName:
			return extNameGap
		case extToken, extQuotedEnd:
			return extGap
		}
		return s
	case is(c, classToken):
		switch s {
		case extStart, extName:
			return extName
		case extValueStart, extToken:
			return extToken
		}
	case c == ';':
		if s != extStart && s != extValueStart {
			return extStart
		}
	case c == '=':
		if s == extName || s == extNameGap {
			return extValueStart
		}
	case c == '"':
		if s == extValueStart {
			return extQuoted
		}
	}
	return chunkStart
}

func hexValue(c byte) byte {
	if is(c, classDigit) {
		return c - '0'
	}
	return c&0x0f + 9
}

// trailer takes bytes of the trailer section up to the end of a line. The lines are kept, since the input is not.
func (d *ChunkDecoder) trailer(in []byte) (int, *Error) {
	n := bytes.IndexByte(in, '\n') + 1
	complete := n > 0
	if !complete {
		n = len(in)
	}
	if len(d.buf)+n > d.lim.MaxTrailerSize {
		return n, ErrTrailerTooLarge
	}
	d.buf = append(d.buf, in[:n]...)
	if !complete {
		return n, nil
	}
	d.trailers.Rebase(d.buf)
	line := d.buf[d.lineStart:]
	if len(line) == 2 && line[0] == '\r' {
		d.state = chunkDone
		return n, nil
	}
	id, colon, start, end, next := parseField(d.buf, d.lineStart)
	if next == 0 {
		return n, fieldFault(line)
	}
	if d.lines++; d.lines > d.lim.MaxTrailers {
		return n, ErrTooManyFields
	}
	if d.rule.Allows(id, d.buf[d.lineStart:colon]) {
		d.trailers.AppendLine(id, d.lineStart, colon, start, end, next)
	}
	d.lineStart = next
	return n, nil
}
