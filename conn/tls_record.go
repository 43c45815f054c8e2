package conn

import (
	"encoding/binary"
	"errors"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

const (
	tlsMost = 16<<10 + 2048 // most bytes of a record behind its header (RFC 5246 §6.2.3)
	// tlsShort is the size up to which a record that comes in pieces gets a store of its own, which is not kept for others.
	tlsShort = 2 << 10
	// maxTLSParts is how many stores for longer ones a loop keeps until it trims its memory.
	maxTLSParts = 64
)

// tlsParts are the stores in which a loop's connections gather records that come in pieces.
type tlsParts struct{ free [][]byte }

var tlsPartsOf = loop.NewLocal(func(l *loop.Loop) *tlsParts {
	p := &tlsParts{}
	l.OnTrim(func() { p.free = nil })
	return p
})

// get gives an empty store for n bytes.
func (p *tlsParts) get(n int) []byte {
	if n <= tlsShort {
		return make([]byte, 0, n)
	}
	if last := len(p.free) - 1; last >= 0 {
		b := p.free[last]
		p.free = p.free[:last]
		return b
	}
	return make([]byte, 0, tlsHeader+tlsMost)
}

func (p *tlsParts) put(b []byte) {
	b = b[:cap(b)]
	if buf.Poison {
		for i := range b {
			b[i] = 0xDB
		}
	}
	if len(b) > tlsShort && len(p.free) < maxTLSParts {
		p.free = append(p.free, b[:0])
	}
}

// behindHeader is how many bytes of a record follow its header. What no record has is refused by crypto/tls for the header alone.
func behindHeader(header []byte) int {
	if n := int(binary.BigEndian.Uint16(header[tlsHeader-2:])); n <= tlsMost {
		return n
	}
	return 0
}

// nextRecord is the next record, once all of it is there: as it lies in what has been received, or gathered from there.
func (t *TLS) nextRecord() (rec []byte, gathered bool) {
	if data := t.c.Buffered(); t.have == 0 && len(data) >= tlsHeader {
		if n := tlsHeader + behindHeader(data); n <= len(data) {
			return data[:n:n], false
		}
	}
	for t.have < tlsHeader || t.record > 0 {
		data := t.c.Buffered()
		if len(data) == 0 {
			return nil, false
		}
		n := 0
		if t.have < tlsHeader {
			n = copy(t.header[t.have:], data)
			if t.have += n; t.have == tlsHeader {
				t.record = behindHeader(t.header[:])
				t.part = append((*tlsPartsOf.Get(t.c.n.Loop)).get(tlsHeader+t.record), t.header[:]...)
			}
		} else {
			n = min(len(data), t.record)
			t.part, t.record = append(t.part, data[:n]...), t.record-n
		}
		t.c.Consume(n)
	}
	return t.part, true
}

// dropPart forgets what was gathered.
func (t *TLS) dropPart() {
	if t.part != nil {
		(*tlsPartsOf.Get(t.c.n.Loop)).put(t.part)
	}
	t.part, t.have, t.record = nil, 0, 0
}

var errTLSLost = errors.New("conn: crypto/tls has kept plaintext for which there was room")

// decrypt reads the next record's plaintext into p, which has room for it. errWouldBlock says that it is not there yet. Many
// records have none.
func (t *TLS) decrypt(p []byte) (n int, err error) {
	if !t.lends {
		return t.tc.Read(p)
	}
	if len(t.c.Buffered()) == 0 { // the end has come: crypto/tls says whether amid a record
		insideTLS.lend(t.tc, t.beginning())
		n, err = t.tc.Read(p)
		insideTLS.takeBack(t.tc)
		return n, err
	}
	rec, gathered := t.nextRecord()
	if rec == nil {
		if t.c.Err() != nil {
			return 0, nil
		}
		return 0, errWouldBlock
	}
	insideTLS.lend(t.tc, rec)
	t.lent = true
	n, err = t.tc.Read(p)
	t.lent = false
	if lost := insideTLS.takeBack(t.tc); lost > 0 && (err == nil || err == errWouldBlock) {
		err = errTLSLost
	}
	if gathered {
		t.dropPart()
	} else {
		t.c.Consume(len(rec))
	}
	if err == errWouldBlock {
		err = nil
	}
	return n, err
}

// beginning is what has come of a record.
func (t *TLS) beginning() []byte {
	if t.part != nil {
		return t.part
	}
	return t.header[:t.have]
}
