package http2

import (
	"encoding/binary"
)

// Priority is the priority of a response by RFC 9218 §4.
type Priority struct {
	Urgency     uint8 // 0 to 7; lower is sent first
	Incremental bool  // parts of it are of use, so that it shares with others of its urgency
}

// Urgencies is the number of urgency levels, of which nought is the most urgent.
const Urgencies = 8

// DefaultPriority is what holds for a request that says nothing.
var DefaultPriority = Priority{Urgency: 3}

// ParsePriority9218 reads the value of a Priority field or of PRIORITY_UPDATE: a dictionary of structured fields (RFC 9218
// §4, RFC 9651 §3.2) with the keys u and i. Keys and values that are not known are passed over; a value that is no
// dictionary says nothing at all, and ok is false.
func ParsePriority9218(value []byte) (p Priority, ok bool) {
	p = DefaultPriority
	d := dictionary{b: value}
	d.spaces()
	for d.i < len(d.b) {
		key, item := d.member()
		if d.bad {
			return DefaultPriority, false
		}
		switch {
		case string(key) == "u" && item.kind == sfInteger && item.value >= 0 && item.value < Urgencies:
			p.Urgency = uint8(item.value)
		case string(key) == "i" && item.kind == sfBoolean:
			p.Incremental = item.value == 1
		}
		if !d.comma() {
			return DefaultPriority, false
		}
	}
	return p, true
}

// Append appends the priority as the value of a Priority field; defaults are left out.
func (p Priority) Append(dst []byte) []byte {
	if p.Urgency != DefaultPriority.Urgency {
		dst = append(dst, 'u', '=', '0'+p.Urgency)
		if p.Incremental {
			dst = append(dst, ", "...)
		}
	}
	if p.Incremental {
		dst = append(dst, 'i')
	}
	return dst
}

// PriorityUpdateFrame is a PRIORITY_UPDATE frame (RFC 9218 §7.1): a client changes its mind about a request.
type PriorityUpdateFrame struct {
	Prioritized StreamID
	Value       []byte // of the Priority field
}

// ParsePriorityUpdate parses the payload of a PRIORITY_UPDATE frame. The value is not looked at.
func ParsePriorityUpdate(h FrameHeader, payload []byte) (PriorityUpdateFrame, error) {
	if err := streamZero(h, true); err != nil {
		return PriorityUpdateFrame{}, err
	}
	if len(payload) < 4 {
		return PriorityUpdateFrame{}, sizeError(h.Type)
	}
	f := PriorityUpdateFrame{parseStreamID(payload), payload[4:]}
	if f.Prioritized == 0 {
		return f, ConnectionError{ProtocolError, "PRIORITY_UPDATE for no stream"}
	}
	return f, nil
}

// Append appends the frame.
func (f PriorityUpdateFrame) Append(dst []byte) []byte {
	dst = FrameHeader{Length: uint32(4 + len(f.Value)), Type: FramePriorityUpdate}.Append(dst)
	return append(binary.BigEndian.AppendUint32(dst, uint32(f.Prioritized)), f.Value...)
}

// The kinds of structured values that matter here; all others are sfOther.
type sfKind uint8

const (
	sfOther sfKind = iota
	sfInteger
	sfBoolean
)

type sfItem struct {
	kind  sfKind
	value int64
}

// dictionary reads a dictionary of structured fields. It follows the whole grammar, since a parameter or a string may hold
// what looks like a member, but keeps integers and booleans only. bad is set where the grammar is left.
type dictionary struct {
	b   []byte
	i   int
	bad bool
}

func (d *dictionary) peek() byte {
	if d.i < len(d.b) {
		return d.b[d.i]
	}
	return 0
}

// next takes c if it comes next.
func (d *dictionary) next(c byte) bool {
	if d.i < len(d.b) && d.b[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *dictionary) spaces() {
	for d.next(' ') {
	}
}

// comma takes what stands between two members, or the end. A comma at the end is an error.
func (d *dictionary) comma() bool {
	for d.next(' ') || d.next('\t') {
	}
	if d.i == len(d.b) {
		return true
	}
	if !d.next(',') {
		return false
	}
	for d.next(' ') || d.next('\t') {
	}
	return d.i < len(d.b)
}

// member reads a key with its value, which is true where none is given, and passes over its parameters.
func (d *dictionary) member() (key []byte, item sfItem) {
	key = d.key()
	item = sfItem{sfBoolean, 1}
	if d.next('=') {
		if d.peek() == '(' {
			item = d.innerList()
		} else {
			item = d.bareItem()
		}
	}
	d.parameters()
	return key, item
}

func (d *dictionary) key() []byte {
	start := d.i
	if c := d.peek(); c != '*' && !isLower(c) {
		d.bad = true
		return nil
	}
	for c := d.peek(); isLower(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '*'; c = d.peek() {
		d.i++
	}
	return d.b[start:d.i]
}

func (d *dictionary) parameters() {
	for !d.bad && d.next(';') {
		d.spaces()
		d.key()
		if d.next('=') {
			d.bareItem()
		}
	}
}

func (d *dictionary) innerList() sfItem {
	d.i++
	for !d.bad {
		d.spaces()
		if d.next(')') {
			return sfItem{}
		}
		d.bareItem()
		d.parameters()
		if c := d.peek(); c != ' ' && c != ')' {
			d.bad = true
		}
	}
	return sfItem{}
}

func (d *dictionary) bareItem() sfItem {
	switch c := d.peek(); {
	case c == '-' || isDigit(c):
		return d.number()
	case c == '"':
		d.quoted()
	case c == ':':
		d.binary()
	case c == '?':
		return d.boolean()
	case c == '@':
		d.i++
		if d.number().kind != sfInteger {
			d.bad = true
		}
	case c == '%':
		if d.i++; d.peek() != '"' {
			d.bad = true
			break
		}
		d.quoted()
	case c == '*' || isLower(c|0x20):
		for c := d.peek(); c == ':' || c == '/' || isToken(c); c = d.peek() {
			d.i++
		}
	default:
		d.bad = true
	}
	return sfItem{}
}

// number reads an integer of up to 15 digits, or a decimal of up to 12 and 3.
func (d *dictionary) number() sfItem {
	sign := int64(1)
	if d.next('-') {
		sign = -1
	}
	start, v := d.i, int64(0)
	for isDigit(d.peek()) && d.i-start < 16 {
		v = v*10 + int64(d.b[d.i]-'0')
		d.i++
	}
	whole := d.i - start
	if whole == 0 || whole > 15 {
		d.bad = true
	}
	if !d.next('.') {
		return sfItem{sfInteger, sign * v}
	}
	start = d.i
	for isDigit(d.peek()) {
		d.i++
	}
	if n := d.i - start; n == 0 || n > 3 || whole > 12 {
		d.bad = true
	}
	return sfItem{}
}

func (d *dictionary) boolean() sfItem {
	d.i++
	switch {
	case d.next('0'):
		return sfItem{sfBoolean, 0}
	case d.next('1'):
		return sfItem{sfBoolean, 1}
	}
	d.bad = true
	return sfItem{}
}

func (d *dictionary) quoted() {
	for d.i++; d.i < len(d.b); d.i++ {
		switch c := d.b[d.i]; {
		case c == '"':
			d.i++
			return
		case c == '\\':
			if d.i++; d.peek() != '"' && d.peek() != '\\' {
				d.bad = true
				return
			}
		case c < ' ' || c >= 0x7f:
			d.bad = true
			return
		}
	}
	d.bad = true
}

func (d *dictionary) binary() {
	for d.i++; d.i < len(d.b); d.i++ {
		switch c := d.b[d.i]; {
		case c == ':':
			d.i++
			return
		case c != '+' && c != '/' && c != '=' && !isDigit(c) && !isLower(c|0x20):
			d.bad = true
			return
		}
	}
	d.bad = true
}
