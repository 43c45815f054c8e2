package http2

import "time"

// maxRepeated is how long a field section may be that is remembered: an index has a byte or two, and some encoders have :path as a literal.
const maxRepeated = 128

// maxRepeatedStore is how many bytes such a section may mean: a few indexes can stand for all that the table holds.
const maxRepeatedStore = 2 << 10

// repeatedRest is how long what a section means is kept after it came last: a connection at rest holds little.
const repeatedRest = 5 * time.Second

// repeated is the last field section that left HPACK's table as it was. Who asks for the same again sends the same bytes again, once most
// fields are in the table, and they mean the same as long as the table is the same. What they meant is kept when they come for the
// second time, and from the third time on the section is not decoded.
type repeated struct {
	text    [maxRepeated]byte
	length  int      // nought: there is none
	kind    kind     // of the message
	message *Message // what it was decoded to, before it was finished; nil: it came once
	at      int64    // when it came last, if it came more than once
}

// is tells whether a section is the one that is remembered.
func (r *repeated) is(section []byte, k kind) bool {
	return r != nil && r.length > 0 && r.kind == k && string(section) == string(r.text[:r.length])
}

// recall takes from memory what a section means, and reports whether it could.
func (c *Conn) recall(section []byte) bool {
	m := c.block.message
	if c.block.mode <= blockRefuse || !c.repeated.is(section, m.kind) || c.repeated.message == nil {
		return false
	}
	c.repeated.at = c.now
	m.repeat(c.repeated.message)
	return true
}

// remember follows the decoding of a section.
func (c *Conn) remember(section []byte) {
	r, m := c.repeated, c.block.message
	switch {
	case !leavesTable(section):
		c.dropRepeated()
	case c.block.mode <= blockRefuse: // what it means was not asked for; its stream may have ended amid it
	case m.fault != "" || m.TooLarge || len(section) > maxRepeated || len(m.store) > maxRepeatedStore:
	case r.is(section, m.kind):
		r.message = c.pool.message()
		r.message.reset(m.kind)
		r.message.repeat(m)
		r.at = c.now
	default:
		if c.dropRepeated(); r == nil {
			r = new(repeated)
			c.repeated = r
		}
		r.length, r.kind = copy(r.text[:], section), m.kind
	}
}

// dropRepeated ends what is remembered.
func (c *Conn) dropRepeated() {
	if r := c.repeated; r != nil {
		c.pool.releaseMessage(r.message)
		r.length, r.message = 0, nil
	}
}

// restRepeated is when what is remembered is to be dropped; nought: never.
func (c *Conn) restRepeated() int64 {
	if r := c.repeated; r != nil && r.message != nil {
		return r.at + int64(repeatedRest)
	}
	return 0
}

// leavesTable tells whether a section that HPACK has decoded consists of indexed fields (RFC 7541 §6.1) and literals without indexing
// (§6.2.2), which leave its table as it is. Literals that must not be indexed (§6.2.3) do so too; they are secrets, and not kept.
func leavesTable(section []byte) bool {
	for i := 0; i < len(section); {
		switch b := section[i]; {
		case b&0x80 != 0:
			_, i = integer(section, i, 7)
		case b&0xf0 == 0:
			var name int
			if name, i = integer(section, i, 4); name == 0 {
				i = behindString(section, i)
			}
			i = behindString(section, i)
		default:
			return false
		}
	}
	return true
}

// integer reads one of a section that has been decoded (RFC 7541 §5.1), whose prefix at i has so many bits, and gives what follows it.
func integer(section []byte, i, bits int) (n, next int) {
	most := 1<<bits - 1
	if n = int(section[i]) & most; n < most {
		return n, i + 1
	}
	for shift := 0; ; shift += 7 {
		if i++; i >= len(section) {
			return n, i
		}
		if n += int(section[i]&0x7f) << shift; section[i]&0x80 == 0 {
			return n, i + 1
		}
	}
}

// behindString gives what follows the string at i (RFC 7541 §5.2).
func behindString(section []byte, i int) int {
	if i >= len(section) {
		return i
	}
	n, next := integer(section, i, 7)
	return next + n
}
