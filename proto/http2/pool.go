package http2

// Pool keeps what connections need for a while only: streams, messages and output buffers. The connections of one loop share
// it; nothing in it is locked. It keeps as many as its bounds say, and each no larger than the traffic usually needs, so that
// one burst does not hold memory for ever.
type Pool struct {
	// Poison makes everything that comes back unreadable, so that who kept it is found out. For tests.
	Poison bool

	streams  []*Stream
	messages []*Message
	buffers  [][]byte
}

// The bounds of a Pool.
const (
	maxPooled        = 1024     // of streams, and of messages
	maxPooledBuffers = 64       // output buffers
	maxPooledBuffer  = 64 << 10 // bytes of an output buffer
	maxPooledMessage = 8 << 10  // bytes of a message's store
	firstBuffer      = 4 << 10  // bytes of a new output buffer
	firstMessage     = 512      // bytes of a new message's store
	poison           = 0xDB
)

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

func (p *Pool) buffer() []byte {
	if n := len(p.buffers) - 1; n >= 0 {
		b := p.buffers[n]
		p.buffers = p.buffers[:n]
		return b
	}
	return make([]byte, 0, firstBuffer)
}

func (p *Pool) releaseBuffer(b []byte) {
	if p.Poison {
		spoil(b)
	}
	if len(p.buffers) < maxPooledBuffers && cap(b) <= maxPooledBuffer {
		p.buffers = append(p.buffers, b[:0])
	}
}

func spoil(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = poison
	}
}
