package config

import (
	"bytes"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// repeats is what a text repeats of the one before it: a text in which a word stands for each run of such elements, with all else on
// the line where it was, and the elements by their lines. Parsing that text shows whether the words came out as elements of lists. If
// they did, the parser was in the same state before and after each as with the elements in its place, for an element begins and ends
// on lines of its own, with all closed that it opened; so the rest means the same in both texts.
type repeats struct {
	text  []byte
	lines map[int]*kept
}

// kept is an element of the text before.
type kept struct {
	list  *readList
	index int
	next  int // line of the element after it in the run; 0: none
}

// placeholder stands for an element that is repeated.
const placeholder = "same"

func (k *kept) value() reflect.Value { return k.list.values.Index(k.index) }
func (k *kept) keys() uint64         { return k.list.elements[k.index].keys }

// has reports whether a key stands in it.
func (k *kept) has(key string) bool {
	f := modelOf(k.list.values.Type().Elem()).byName[key]
	return f != nil && k.keys()&(1<<f.place) != 0
}

// repeated finds what text repeats; nil if nothing.
func (r *Reading) repeated(text []byte) *repeats {
	if r == nil || len(text) > maxBytes || !plainLines(text) {
		return nil
	}
	out := &repeats{text: text, lines: map[int]*kept{}}
	byColumn := func(a, b readList) int { return a.column - b.column }
	for _, l := range slices.SortedStableFunc(slices.Values(r.lists), byColumn) { // what stands in another element goes with it
		out.condense(&l, string(r.text))
	}
	if len(out.lines) == 0 {
		return nil
	}
	return out
}

// condense puts the word in place of the elements that stand in a list of the text before.
func (r *repeats) condense(l *readList, before string) {
	known := make(map[string]int, len(l.elements))
	for i, e := range l.elements {
		if e.to > 0 {
			known[before[e.from:e.to]] = i
		}
	}
	text, out := r.text, make([]byte, 0, len(r.text))
	var last *kept // in the run
	for at, line := 0, 1; at < len(text); {
		end, index := nextLine(text, at), -1
		if dashAt(text, at, l.column) && r.lines[line] == nil {
			to := endOfElement(text, at, l.column)
			if i, ok := known[string(text[at:to])]; ok {
				end, index = to, i
			}
		}
		lines := max(bytes.Count(text[at:end], newline), 1)
		if index < 0 {
			out, last = append(out, text[at:end]...), nil
		} else {
			k := &kept{list: l, index: index}
			if r.lines[line] = k; last == nil {
				out = append(append(out, text[at:at+l.column+1]...), placeholder...)
			} else {
				last.next = line
			}
			out, last = append(out, bytes.Repeat(newline, lines)...), k
		}
		at, line = end, line+lines
	}
	r.text = out
}

// expand has a list hold a node for every element of each run.
func (r *repeats) expand(list *yaml.Node) {
	if r == nil || list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 {
		return
	}
	var all []*yaml.Node // nil: as it is
	for i, n := range list.Content {
		k := r.at(n)
		if all == nil && k != nil && k.next > 0 {
			all = slices.Clone(list.Content[:i])
		}
		if all != nil {
			all = append(all, n)
		}
		for ; k != nil && k.next > 0; k = r.lines[k.next] {
			all = append(all, &yaml.Node{Kind: yaml.ScalarNode, Value: placeholder, Line: k.next, Column: n.Column})
		}
	}
	if all != nil {
		list.Content = all
	}
}

var newline = []byte("\n")

// at is the element that a node stands for; nil if it says something itself.
func (r *repeats) at(n *yaml.Node) *kept {
	if r == nil || n.Kind != yaml.ScalarNode || n.Value != placeholder {
		return nil
	}
	return r.lines[n.Line]
}
