package http2

// Pool keeps what connections need for a while only: streams, messages and output buffers. The connections of one loop share
// it; nothing in it is locked. It keeps as many as its bounds say, and each no larger than the traffic usually needs, so that
// one burst does not hold memory for ever.
type Pool struct {
	// Poison makes everything that comes back unreadable, so that who kept it is found out. For tests.
	Poison bool

	streams  []*Stream
	messages []*Message
	buffers  [len(bufferSizes)][][]byte
}

// The bounds of a Pool.
const (
	maxPooled        = 1024    // of streams, and of messages
	maxPooledBuffers = 64      // output buffers of each size
	maxPooledMessage = 8 << 10 // bytes of a message's store
	firstMessage     = 512     // bytes of a new message's store
	poison           = 0xDB
)

// bufferSizes are those of output buffers, in bytes: for what a connection says now and then, for a few small messages, and for as
// much as is usually let come together (three full frames and what one more adds). What gets larger is not kept.
var bufferSizes = [...]int{4 << 10, 16 << 10, 72 << 10}

// NewPool makes an empty pool.
func NewPool() *Pool { return &Pool{} }

func (p *Pool) stream() *Stream {
	if n := len(p.streams) - 1; n >= 0 {
		s := p.streams[n]
		p.streams = p.streams[:n]
		return s
	}
	return new(Stream)
}

func (p *Pool) release(s *Stream) {
	p.releaseMessage(s.message)
	p.releaseMessage(s.trailers)
	s.message, s.trailers, s.Owner = nil, nil, nil
	if len(p.streams) < maxPooled {
		p.streams = append(p.streams, s)
	}
}

func (p *Pool) message() *Message {
	if n := len(p.messages) - 1; n >= 0 {
		m := p.messages[n]
		p.messages = p.messages[:n]
		return m
	}
	return &Message{store: make([]byte, 0, firstMessage)}
}

func (p *Pool) releaseMessage(m *Message) {
	if m == nil {
		return
	}
	if p.Poison {
		spoil(m.store)
	}
	if len(p.messages) < maxPooled && cap(m.store) <= maxPooledMessage {
		p.messages = append(p.messages, m)
	}
}

// buffer gives an empty output buffer with room for n bytes.
func (p *Pool) buffer(n int) []byte {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		if last := len(p.buffers[i]) - 1; last >= 0 {
			b := p.buffers[i][last]
			p.buffers[i] = p.buffers[i][:last]
			return b
		}
		return make([]byte, 0, size)
	}
	return make([]byte, 0, n)
}

// moved gives a buffer with what is in b and room for n bytes more. What it was is the caller's to release.
func (p *Pool) moved(b []byte, n int) []byte { return append(p.buffer(len(b)+n), b...) }

func (p *Pool) releaseBuffer(b []byte) {
	if p.Poison {
		spoil(b)
	}
	for i, size := range bufferSizes {
		if cap(b) == size && len(p.buffers[i]) < maxPooledBuffers {
			p.buffers[i] = append(p.buffers[i], b[:0])
		}
	}
}

func spoil(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = poison
	}
}
