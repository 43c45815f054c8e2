package header

import "iter"

// Span is a half-open range of bytes in a field's store.
type Span struct{ Start, End uint32 }

// Len is the number of bytes in the span.
func (s Span) Len() int { return int(s.End - s.Start) }

// Flags says how a field is to be treated.
type Flags uint8

const (
	// Removed fields are no longer part of the message; they keep their place in the list.
	Removed Flags = 1 << iota
	// HopByHop fields speak to the next hop only (RFC 9110 §7.6.1): they can be read, but are not forwarded.
	HopByHop
	// Own fields were set or added here: their spans point into the own bytes, not into the source.
	Own
)

// Field is one field line. Line is the raw line with its CRLF, so that writers can copy runs of lines at once; it is empty
// where there is no raw line (HTTP/2) or where it must not be copied as it is. Lines of own fields point into the own bytes.
type Field struct {
	ID    ID
	Flags Flags
	Name  Span
	Value Span
	Line  Span
}

// Fields is the ordered list of a message's fields. The zero value is ready for use.
//
// The source is borrowed: slices that Get, At and All return point into it (or into the own bytes) and are valid until its
// owner reuses it, until Reset, or until Rebase for those of the source.
type Fields struct {
	src     []byte
	own     []byte // "Name: value\r\n" of each field set or added here
	list    []Field
	present uint64 // bit per ID: clear means that no live field has it, set that one may
}

// Reset empties the list and borrows src for the fields to come. Storage is kept for reuse.
func (f *Fields) Reset(src []byte) {
	f.src, f.own, f.list, f.present = src, f.own[:0], f.list[:0], 0
}

// Rebase tells that the source's bytes now live at src, at the same offsets.
func (f *Fields) Rebase(src []byte) { f.src = src }

// Repeat makes the fields those of g, none of which may be Own, after a Reset: the source has, or will have, the same bytes at the same
// offsets.
func (f *Fields) Repeat(g *Fields) {
	f.list, f.present = append(f.list[:0], g.list...), g.present
}

// Append adds a field whose spans the codec has set. Spans are offsets into the source; Own is for this package only.
func (f *Fields) Append(field Field) {
	f.list = append(f.list, field)
	if field.Flags&Removed == 0 {
		f.present |= 1 << field.ID
	}
}

// AppendLine adds a field that stands in the source as a raw line from start to end, with its colon and its value at the given
// places. It returns the entry, so that the codec can flag it; the pointer is valid until the next entry is added. It is
// Append without a Field on the stack: copying that took a quarter to a third of the time of parsing a head.
func (f *Fields) AppendLine(id ID, start, colon, valueStart, valueEnd, end int) *Field {
	n := len(f.list)
	if n == cap(f.list) {
		f.list = append(f.list, Field{})
	} else {
		f.list = f.list[:n+1]
	}
	e := &f.list[n]
	e.ID, e.Flags = id, 0
	e.Name.Start, e.Name.End = uint32(start), uint32(colon)
	e.Value.Start, e.Value.End = uint32(valueStart), uint32(valueEnd)
	e.Line.Start, e.Line.End = uint32(start), uint32(end)
	f.present |= 1 << id
	return e
}

// Len is the number of entries, removed ones included: the bound for At and Field.
func (f *Fields) Len() int { return len(f.list) }

// At returns the name and value of entry i; ok is false when it was removed.
func (f *Fields) At(i int) (name, value []byte, ok bool) {
	e := &f.list[i]
	if e.Flags&Removed != 0 {
		return nil, nil, false
	}
	return f.Bytes(e.Flags, e.Name), f.Bytes(e.Flags, e.Value), true
}

// Field returns entry i itself, so that codecs can flag it. The pointer is valid until the next entry is added.
func (f *Fields) Field(i int) *Field { return &f.list[i] }

// Bytes returns the bytes of a span of a field with these flags.
func (f *Fields) Bytes(flags Flags, s Span) []byte {
	if flags&Own != 0 {
		return f.own[s.Start:s.End:s.End]
	}
	return f.src[s.Start:s.End:s.End]
}

// Get returns the value of the first live field with this ID. Other is not a name and finds nothing; use GetName.
func (f *Fields) Get(id ID) ([]byte, bool) {
	if f.present>>id&1 == 0 {
		return nil, false
	}
	return f.get(id)
}

func (f *Fields) get(id ID) ([]byte, bool) {
	if id == Other {
		return nil, false
	}
	for i := range f.list {
		if e := &f.list[i]; e.ID == id && e.Flags&Removed == 0 {
			return f.Bytes(e.Flags, e.Value), true
		}
	}
	return nil, false
}

// GetName returns the value of the first live field of that name, whatever its case.
func (f *Fields) GetName(name string) ([]byte, bool) {
	if id := Lookup([]byte(name)); id != Other {
		return f.Get(id)
	}
	for i := range f.list {
		if e := &f.list[i]; f.matches(e, Other, name) {
			return f.Bytes(e.Flags, e.Value), true
		}
	}
	return nil, false
}

// Count is the number of live fields with this ID; Other counts all fields that are not well known.
func (f *Fields) Count(id ID) int {
	if f.present>>id&1 == 0 {
		return 0
	}
	n := 0
	for i := range f.list {
		if e := &f.list[i]; e.ID == id && e.Flags&Removed == 0 {
			n++
		}
	}
	return n
}

// Set gives the name one value: the first field of that name is replaced in its place, further ones are removed; if there is
// none, one is added. See Add for what becomes of name and value. A field set here is forwarded even if the one it replaces
// was hop-by-hop, since whoever sets it speaks to the next hop.
func (f *Fields) Set(name string, value []byte) { f.set(Lookup([]byte(name)), name, value) }

// SetID is Set for a well-known name.
func (f *Fields) SetID(id ID, value []byte) { f.set(id, known(id), value) }

// Add appends a field. The name must satisfy ValidName (names come from configuration or from this program, which check
// them). CR, LF and NUL in the value, which may derive from a peer's bytes, become spaces (RFC 9110 §5.5), so that no field
// can break the message up. Both are copied.
func (f *Fields) Add(name string, value []byte) {
	f.Append(f.ownField(Lookup([]byte(name)), name, value))
}

// AddID is Add for a well-known name.
func (f *Fields) AddID(id ID, value []byte) { f.Append(f.ownField(id, known(id), value)) }

// Del removes all fields of that name, whatever its case.
func (f *Fields) Del(name string) { f.del(Lookup([]byte(name)), name, 0) }

// DelID removes all fields with this ID.
func (f *Fields) DelID(id ID) {
	if name := known(id); f.present>>id&1 != 0 {
		f.del(id, name, 0)
	}
}

// All walks the live fields, hop-by-hop ones included, in order. Fields added meanwhile are not visited.
func (f *Fields) All() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for i := range f.list {
			name, value, ok := f.At(i)
			if ok && !yield(name, value) {
				return
			}
		}
	}
}

// matches tells whether a live entry bears the name, given as the ID and, for Other, the spelling.
func (f *Fields) matches(e *Field, id ID, name string) bool {
	if e.ID != id || e.Flags&Removed != 0 {
		return false
	}
	return id != Other || EqualFold(f.Bytes(e.Flags, e.Name), name)
}

func (f *Fields) set(id ID, name string, value []byte) {
	if f.present>>id&1 != 0 {
		for i := range f.list {
			if f.matches(&f.list[i], id, name) {
				f.list[i] = f.ownField(id, name, value)
				f.del(id, name, i+1)
				f.present |= 1 << id
				return
			}
		}
	}
	f.Append(f.ownField(id, name, value))
}

// del removes the fields of that name from entry `from` on.
func (f *Fields) del(id ID, name string, from int) {
	for i := from; i < len(f.list); i++ {
		if e := &f.list[i]; f.matches(e, id, name) {
			e.Flags |= Removed
		}
	}
	if id != Other {
		f.present &^= 1 << id
	}
}

// ownField writes a field line to the own bytes. The value may point into them: append has read it before they move.
func (f *Fields) ownField(id ID, name string, value []byte) Field {
	start := len(f.own)
	f.own = append(f.own, name...)
	nameEnd := len(f.own)
	f.own = append(f.own, ": "...)
	f.own = append(f.own, value...)
	valueEnd := len(f.own)
	for i := nameEnd + 2; i < valueEnd; i++ {
		if c := f.own[i]; c == '\r' || c == '\n' || c == 0 {
			f.own[i] = ' '
		}
	}
	f.own = append(f.own, "\r\n"...)
	return Field{
		ID: id, Flags: Own,
		Name:  Span{uint32(start), uint32(nameEnd)},
		Value: Span{uint32(nameEnd + 2), uint32(valueEnd)},
		Line:  Span{uint32(start), uint32(len(f.own))},
	}
}

// known returns the spelling of a well-known name. Other has none: to name a field by it is a mistake of the caller.
func known(id ID) string {
	if id == Other || id >= NumIDs {
		panic("header: Other is not a field name")
	}
	return names[id]
}
