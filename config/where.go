package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// where is a place in the tree of values: the way to it from the root, and where its text stands in the file.
type where struct {
	parent *where
	key    string // of a mapping's entry
	index  int    // of a list's element, when list is set
	list   bool
	depth  int
	node   *yaml.Node // the value with aliases followed; nil when the key is not in the file
	keys   *mapping   // of node, once it has been resolved
	kept   *kept      // what node stands for, where it is an element of the text before
	line   int
	column int
}

// entryAt is the place of a mapping's entry. A value on the key's own line is pointed at itself, a block below its key
// is pointed at by the key: that is where a reader looks for it.
func (w *where) entryAt(e entry) *where {
	c := &where{parent: w, key: e.name, depth: w.depth + 1, node: follow(e.value), line: e.value.Line, column: e.value.Column}
	block := c.node.Kind != yaml.ScalarNode && e.value.Kind != yaml.AliasNode && c.node.Style&yaml.FlowStyle == 0
	if block || isNull(c.node) {
		c.line, c.column = e.key.Line, e.key.Column
	}
	return c
}

// keyAt is the place of a mapping's key, for complaints about the key and not about its value.
func (w *where) keyAt(e entry) *where {
	c := w.entryAt(e)
	c.line, c.column = e.key.Line, e.key.Column
	return c
}

// elementAt is the place of a list's element.
func (w *where) elementAt(i int, n *yaml.Node) *where {
	return &where{parent: w, index: i, list: true, depth: w.depth + 1, node: follow(n), line: n.Line, column: n.Column}
}

// missing is the place of a key that is not in the file: its path, and the position of the nearest value that is.
func (w *where) missing(key string) *where {
	return &where{parent: w, key: key, depth: w.depth + 1, line: w.line, column: w.column}
}

// missingElement is the same for a list's element.
func (w *where) missingElement(i int) *where {
	return &where{parent: w, index: i, list: true, depth: w.depth + 1, line: w.line, column: w.column}
}

// part is the last step of the path as it is written after what stands before it.
func (w *where) part() string {
	switch {
	case w.parent == nil:
		return ""
	case w.list:
		return "[" + strconv.Itoa(w.index) + "]"
	case !plainKey(w.key):
		return "[" + strconv.Quote(w.key) + "]"
	case w.parent.parent == nil:
		return w.key
	}
	return "." + w.key
}

// path writes the way from the root, as listeners.web.routes[0].headers.set["X.Env"].
func (w *where) path() string {
	var parts []string
	for p := w; p.parent != nil; p = p.parent {
		parts = append(parts, p.part())
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
	}
	return b.String()
}

// plainKey reports whether a key can stand between dots without being mistaken for two.
func plainKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '-' && c != '/' && c != '*' {
			return false
		}
	}
	return s != ""
}

// follow returns what an alias stands for, or the node itself. An alias to an alias cannot be written.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isNull reports whether the node is null, written out or by leaving the value empty.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
