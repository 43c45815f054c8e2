package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Check is what a Validate method reports through. It stands at one place of the file; what is reported there carries
// that place's line, column and path. It is good for the duration of the Validate call it was given to.
//
// A complaint about a value that could not be read whole is dropped: it would only repeat the first one in other words.
type Check struct {
	decoder *decoder
	at      *where
}

// At returns a Check further down: a string is a key, an int the index of a list's element. Where the file has no such
// key, as for a default, the path is right all the same and the position is that of the nearest value there is.
func (c *Check) At(keys ...any) *Check {
	w := c.at
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			w = c.decoder.below(w, k)
		case int:
			w = c.decoder.element(w, k)
		default:
			panic(fmt.Sprintf("config: Check.At takes strings and ints, got %T", k))
		}
	}
	return &Check{decoder: c.decoder, at: w}
}

// Errorf reports a problem here.
func (c *Check) Errorf(format string, args ...any) {
	c.Suggest("", format, args...)
}

// Fault reports a problem of what the value names, as a file, and not of the text. It is passed over where the Tolerance says so.
func (c *Check) Fault(err error) {
	if c.decoder.tolerate == nil || !c.decoder.tolerate(err) {
		c.Errorf("%v", err)
	}
}

// Suggest reports a problem here, and what was probably meant.
func (c *Check) Suggest(suggestion, format string, args ...any) {
	if c.Failed() {
		return
	}
	c.decoder.add(c.at, &Error{Problem: fmt.Sprintf(format, args...), Suggestion: suggestion})
}

// Unknown reports that the value here names something that does not exist: a what, as "cluster", called got, where only
// those in known are. The order of known does not matter.
func (c *Check) Unknown(what, got string, known []string) {
	if c.Failed() {
		return
	}
	c.decoder.add(c.at, unknownWord(fmt.Sprintf("unknown %s %s", what, quoted(got)), got, known))
}

// Has reports whether the key stands in the file here, be it through a merge key.
func (c *Check) Has(key string) bool {
	if k := c.at.kept; k != nil {
		return k.has(key)
	}
	n := c.at.node
	return n != nil && n.Kind == yaml.MappingNode && c.decoder.mapping(c.at, n).has(key)
}

// Failed reports whether the value here could not be read whole. A rule over many values, as that each name is used,
// asks this first where the missing ones would make it speak nonsense.
func (c *Check) Failed() bool {
	return c.decoder.spoiled(c.at)
}

// below is the place of a key below w.
func (d *decoder) below(w *where, key string) *where {
	d.doubt = d.doubt || w.kept != nil
	if w.node != nil && w.node.Kind == yaml.MappingNode {
		m := d.mapping(w, w.node)
		if i := m.find(key); i >= 0 {
			return w.entryAt(m.entries[i])
		}
	}
	return w.missing(key)
}

// element is the place of a list's element below w.
func (d *decoder) element(w *where, i int) *where {
	d.doubt = d.doubt || w.kept != nil
	if w.node != nil && w.node.Kind == yaml.SequenceNode && i >= 0 && i < len(w.node.Content) {
		e := w.elementAt(i, w.node.Content[i])
		e.kept = d.again.at(e.node)
		return e
	}
	return w.missingElement(i)
}
