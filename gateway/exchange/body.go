package exchange

import (
	"io"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/proto/header"
)

// Body is a message body as a stream of lent chunks. Its consumer alone decides the pace, which is the back-pressure.
type Body interface {
	// Next lends the next bytes, at least one; they are valid until the next call. It waits if none are there. io.EOF says
	// that the body is complete; any other error that it never will be.
	Next() ([]byte, error)
	// Ready reports whether Next would return without waiting.
	Ready() bool
	// Trailers are the fields after the body: nil, or valid after io.EOF until Close.
	Trailers() *header.Fields
	// Close says that no more is wanted. It may be called at any time, any number of times, and does not wait.
	Close()
}

// Prompt is a Body that can say whether all of it is there already, so that sending it waits for nobody.
type Prompt interface {
	Body
	Prompt() bool
}

// Resumable is a Body that is as it was after the task was cancelled that waited for it: another may read on. Of others only the
// cancellation's cause comes from then on.
type Resumable interface {
	Body
	Resumable()
}

// Splicer is a Body whose bytes can pass inside the kernel. Filters that transform a body hide it by wrapping.
type Splicer interface {
	Body
	// Splice gives the connection that the next n bytes of the body come from, with nothing of them buffered; n is 0
	// when that does not hold now. No wait for them may take longer than timeout (0: any time).
	Splice() (src *conn.Conn, n int64, timeout time.Duration)
	// Spliced says how many of them were taken, and what ended that.
	Spliced(n int64, err error)
}

// BytesBody is a body in memory.
type BytesBody struct {
	data []byte
	left []byte
}

func (b *BytesBody) set(data []byte) { b.data, b.left = data, data }

// Next lends all that is left.
func (b *BytesBody) Next() ([]byte, error) {
	if len(b.left) == 0 {
		return nil, io.EOF
	}
	p := b.left
	b.left = nil
	return p, nil
}

// Ready is always true.
func (b *BytesBody) Ready() bool { return true }

// Prompt is always true.
func (b *BytesBody) Prompt() bool { return true }

// Trailers are none.
func (b *BytesBody) Trailers() *header.Fields { return nil }

// Close forgets the data.
func (b *BytesBody) Close() { b.data, b.left = nil, nil }
