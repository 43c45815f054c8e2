package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// mapping is a mapping node with its merge keys resolved: own entries in the order of the file, then merged ones.
type mapping struct {
	entries []entry
	byName  map[string]int // into entries; nil while they are few enough to look through
	done    bool           // false while its own merges are resolved, to find one that merges itself
}

// entry is one key with its value.
type entry struct {
	name  string
	key   *yaml.Node
	value *yaml.Node
}

// fewEntries is how many keys are looked through faster than a map is made.
const fewEntries = 8

func (m *mapping) has(name string) bool { return m.find(name) >= 0 }

// find is the place of a key among the entries, -1 if it is not there.
func (m *mapping) find(name string) int {
	if m.byName == nil {
		for i := range m.entries {
			if m.entries[i].name == name {
				return i
			}
		}
		return -1
	}
	if i, ok := m.byName[name]; ok {
		return i
	}
	return -1
}

func (m *mapping) put(e entry) {
	m.entries = append(m.entries, e)
	switch n := len(m.entries); {
	case m.byName != nil:
		m.byName[e.name] = n - 1
	case n > fewEntries:
		m.byName = make(map[string]int, 2*n)
		for i := range m.entries {
			m.byName[m.entries[i].name] = i
		}
	}
}

// mapping resolves a mapping node once, reporting what is wrong with its keys. The place remembers it. Another place of the same node
// finds what an alias may name, and so contain itself, and what is large; the rest is resolved again faster than remembered.
func (d *decoder) mapping(w *where, n *yaml.Node) *mapping {
	own := w.node == n
	if own && w.keys != nil {
		return w.keys
	}
	shared := n.Anchor != "" || len(n.Content) > 2*fewEntries
	if m := d.mappings[n]; shared && m != nil {
		return m
	}
	m := &mapping{entries: make([]entry, 0, len(n.Content)/2)}
	if shared {
		d.mappings[n] = m
	}
	if own {
		w.keys = m
	}
	var merges []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := entry{key: n.Content[i], value: n.Content[i+1]}
		key := follow(e.key)
		e.name = key.Value
		switch {
		case key.Kind != yaml.ScalarNode || isNull(key) || tagProblem(key) != "":
			d.refuse(w.keyAt(e), &Error{Problem: fmt.Sprintf("a key must be a string, found %s", found(key))})
		case key.ShortTag() == "!!merge":
			if len(merges) > 0 {
				d.refuse(w.keyAt(e), &Error{Problem: fmt.Sprintf("duplicate merge key; the first stands on line %d, and it takes a list", merges[0].key.Line)})
				continue
			}
			merges = append(merges, e)
		case e.name == "":
			d.refuse(w.keyAt(e), &Error{Problem: "a key must not be empty"})
		case m.has(e.name):
			first := m.entries[m.find(e.name)].key
			d.refuse(w.keyAt(e), &Error{Problem: fmt.Sprintf("duplicate key; the first stands on line %d", first.Line)})
		default:
			m.put(e)
		}
	}
	for _, e := range merges {
		d.merge(w.keyAt(e), m, e.value)
	}
	m.done = true
	return m
}

// merge adds the entries of the mapping, or list of mappings, that a merge key names; keys that are there already win.
func (d *decoder) merge(w *where, into *mapping, n *yaml.Node) {
	source := follow(n)
	switch source.Kind {
	case yaml.MappingNode:
		d.mergeOne(w, into, source)
	case yaml.SequenceNode:
		for i, c := range source.Content {
			at := w.elementAt(i, c)
			if follow(c).Kind != yaml.MappingNode {
				d.refuse(at, &Error{Problem: fmt.Sprintf("a merge key takes mappings, found %s", found(follow(c)))})
				continue
			}
			d.mergeOne(at, into, follow(c))
		}
	default:
		d.refuse(w, &Error{Problem: fmt.Sprintf("a merge key takes a mapping or a list of them, found %s", found(source))})
	}
}

// mergeOne merges one mapping. What it costs counts against the bound on aliased values, as it can be repeated cheaply.
func (d *decoder) mergeOne(w *where, into *mapping, source *yaml.Node) {
	m := d.mapping(w, source)
	if !m.done {
		d.refuse(w, &Error{Problem: "a merge key names a mapping that it stands in"})
		return
	}
	if !d.spend(w, len(m.entries)) {
		return
	}
	for _, e := range m.entries {
		if !into.has(e.name) {
			into.put(e)
		}
	}
}
