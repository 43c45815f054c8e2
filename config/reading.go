package config

import (
	"bytes"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// longList is how many elements make it worth while to remember where they stand. Tests make do with fewer.
var longList = 64

// maxLists is how many lists are remembered, the longest ones: the next text is gone through once for each.
const maxLists = 8

// maxKeys is how many keys a struct may have for those that stand in the file to be remembered of an element.
const maxKeys = 64

// Reading is a text that was decoded without a complaint: where the elements of its long lists stand, and what they became. From it
// DecodeAfter takes what the next text repeats. Neither it nor what it holds is ever changed, so that it may be used anywhere.
type Reading struct {
	text  []byte
	lists []readList
}

// readList is one long list in block style.
type readList struct {
	column   int           // of its dashes, from 1
	depth    int           // how deep it stands: what is inside may nest no deeper than it did
	values   reflect.Value // the slice
	elements []readElement
}

// readElement is the lines of one element, from that of its dash to that of what follows it.
type readElement struct {
	from, to uint32 // offsets in the text; both nought where it cannot be told
	keys     uint64 // of its struct that stand in the file, by their place in the model
}

// longRead is a long list that was just decoded.
type longRead struct {
	node   *yaml.Node
	depth  int
	values reflect.Value
	keys   []uint64
}

// memorable reports whether the elements of a list may be repeated by the next text, or are by this one.
func (d *decoder) memorable(n *yaml.Node, element reflect.Type) bool {
	return n.Style&yaml.FlowStyle == 0 && len(n.Content) >= longList && !d.inLong &&
		element.Kind() == reflect.Struct && !readsText(element) && len(modelOf(element).fields) <= maxKeys && !modelOf(element).outside
}

// longList decodes a memorable list. If it says what one of the text before said, that is the result.
func (d *decoder) longList(w *where, n *yaml.Node, list reflect.Type) reflect.Value {
	d.inLong = true
	defer func() { d.inLong = false }()
	l := longRead{node: n, depth: w.depth, values: reflect.MakeSlice(list, len(n.Content), len(n.Content)), keys: make([]uint64, len(n.Content))}
	model := modelOf(list.Elem())
	var whole *readList
	for i, c := range n.Content {
		v := l.values.Index(i)
		k := d.again.at(c)
		if k == nil || k.list.values.Type() != list {
			whole = nil
			fillDefaults(v)
			at := w.elementAt(i, c)
			d.value(at, c, v)
			l.keys[i] = model.standing(at.keys)
			continue
		}
		d.doubt = d.doubt || w.depth > k.list.depth
		if i == 0 {
			whole = k.list
		}
		if k.list != whole || k.index != i {
			whole = nil
		}
		v.Set(k.value())
		l.keys[i] = k.keys()
		d.repeated++
	}
	if whole != nil && len(whole.elements) == len(n.Content) {
		l.values = whole.values
	}
	d.long = append(d.long, l)
	return l.values
}

// standing is the keys of a struct that stand in a mapping, by their place.
func (m *model) standing(in *mapping) (keys uint64) {
	if in == nil {
		return 0 // a short form
	}
	for i := range in.entries {
		if f := m.byName[in.entries[i].name]; f != nil {
			keys |= 1 << f.place
		}
	}
	return keys
}

// reading is what the next text may repeat; nil if nothing. An anchor would have what an element says depend on other places.
func (d *decoder) reading(text []byte) *Reading {
	if len(d.long) == 0 || d.anchored || !plainLines(text) {
		return nil
	}
	r := &Reading{text: text}
	starts := lineStarts(text)
	longestFirst := func(a, b longRead) int { return len(b.node.Content) - len(a.node.Content) }
	slices.SortStableFunc(d.long, longestFirst)
	for _, l := range d.long[:min(len(d.long), maxLists)] {
		r.lists = append(r.lists, l.lines(text, starts))
	}
	return r
}

// lines finds the lines of each element. A quoted text may go on in lines that are less deep than it: then the next element does not
// begin where this one seems to end or, after the last one, so much of the text is not YAML.
func (l *longRead) lines(text []byte, starts []int) readList {
	all := l.node.Content
	out := readList{column: l.node.Column, depth: l.depth, values: l.values, elements: make([]readElement, len(all))}
	for i, n := range all {
		from := starts[n.Line-1]
		if !dashAt(text, from, out.column) {
			continue
		}
		to := endOfElement(text, from, out.column)
		if last := i == len(all)-1; last && parses(text[from:to]) || !last && to == starts[all[i+1].Line-1] {
			out.elements[i] = readElement{uint32(from), uint32(to), l.keys[i]}
		}
	}
	return out
}

// otherBreaks end a line for YAML as a newline does. Where one is in use, lines are not what they are here.
var otherBreaks = [][]byte{[]byte("\r"), []byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// plainLines reports whether lines end with newlines only, and no directive changes what tags mean.
func plainLines(text []byte) bool {
	for _, b := range otherBreaks {
		if bytes.Contains(text, b) {
			return false
		}
	}
	return !bytes.HasPrefix(text, []byte("%")) && !bytes.Contains(text, []byte("\n%"))
}

// dashAt reports whether the line at from begins an element, with its dash in the given column.
func dashAt(text []byte, from, column int) bool {
	line := text[from:]
	return len(line) > column && line[column-1] == '-' && line[column] == ' ' && indent(line) == column-1
}

// endOfElement is where the element ends whose dash stands in the given column of the line at from: at the next line that is not
// deeper and says something.
func endOfElement(text []byte, from, column int) int {
	at := nextLine(text, from)
	for at < len(text) {
		line := text[at:]
		if n := indent(line); n < column && n < len(line) && line[n] != '\n' && line[n] != '#' {
			break
		}
		at = nextLine(text, at)
	}
	return at
}

// indent is the number of spaces that a line begins with.
func indent(line []byte) int {
	n := 0
	for n < len(line) && line[n] == ' ' {
		n++
	}
	return n
}

// nextLine is where the line after the one at from starts.
func nextLine(text []byte, from int) int { return min(lineEnd(text, from)+1, len(text)) }
