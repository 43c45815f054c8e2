package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Kind says what happened to a key.
type Kind string

// The kinds.
const (
	Added     Kind = "added"
	Removed   Kind = "removed"
	Changed   Kind = "changed"
	Reordered Kind = "reordered" // a list whose order matters holds the same, in another order
)

// Change is one difference between two configurations. Old and New are in the form that encoding/json takes: texts, numbers,
// booleans, lists and maps. What is secret is told only by its having changed.
type Change struct {
	Path string `json:"path"` // as listeners.web.routes[api].cluster, with an element's name in place of its index where it has one
	Kind Kind   `json:"kind"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new,omitempty"`
}

// String writes the change on one line: + for what was added, - removed, ~ changed.
func (c Change) String() string {
	switch c.Kind {
	case Added:
		return "+ " + c.Path + ": " + flow(c.New)
	case Removed:
		return "- " + c.Path + ": " + flow(c.Old)
	case Reordered:
		return "~ " + c.Path + ": order " + flow(c.Old) + " -> " + flow(c.New)
	}
	return "~ " + c.Path + ": " + flow(c.Old) + " -> " + flow(c.New)
}

// Hidden stands in a Change for a value that is secret.
const Hidden = "(hidden)"

// Keyed is an element of a list that is told from the others by a name, so that a list's difference is that of its elements and
// not of its places. An empty key is none.
type Keyed interface {
	ConfigKey() string
}

// Diff tells how two configurations differ, by path. Both are pointers to structs of one type, as Decode fills them: what one
// leaves to its default and the other writes out does not differ. The order is that of the keys in the type, of names in maps,
// and of places in lists.
func Diff(old, new any) []Change {
	a, b := reflect.ValueOf(old), reflect.ValueOf(new)
	if a.Type() != b.Type() {
		panic(fmt.Sprintf("config: Diff of %T and %T", old, new))
	}
	d := &differ{}
	d.value(&place{}, a, b)
	return d.changes
}

// Equal reports whether two values of one type say the same.
func Equal(old, new any) bool {
	d := &differ{first: true}
	d.value(nil, reflect.ValueOf(old), reflect.ValueOf(new))
	return len(d.changes) == 0
}

// differ walks two values of one type side by side.
type differ struct {
	changes []Change
	first   bool // one difference is enough, wherever it is: places are nil
}

// place is a way from the root. It is only written out where something differs.
type place struct {
	up    *place
	name  string // of a key, or of an element that has one
	index int    // of an element without a name; -1: a key
}

// key is the place of a key; nil where nobody asks for places.
func (d *differ) key(p *place, name string) *place {
	if d.first {
		return nil
	}
	return &place{up: p, name: name, index: -1}
}

// element is the same of a list's element.
func (d *differ) element(p *place, key string, i int) *place {
	if d.first {
		return nil
	}
	return &place{up: p, name: key, index: i}
}

// part is the last step as it is written.
func (p *place) part() string {
	plain := plainKey(p.name)
	switch {
	case p.index >= 0 && p.name == "":
		return "[" + strconv.Itoa(p.index) + "]"
	case p.index >= 0 && plain:
		return "[" + p.name + "]"
	case !plain:
		return "[" + strconv.Quote(p.name) + "]"
	case p.up.up == nil:
		return p.name
	}
	return "." + p.name
}

func (p *place) String() string {
	if p.up == nil {
		return ""
	}
	return p.up.String() + p.part()
}

// secret reports whether a key on the way says that what is below is nobody's business.
func (p *place) secret() bool {
	for ; p.up != nil; p = p.up {
		if p.index < 0 && tellsSecret(p.name) {
			return true
		}
	}
	return false
}

func (d *differ) add(p *place, kind Kind, old, new reflect.Value) {
	c := Change{Kind: kind}
	if !d.first {
		c.Path = p.String()
		secret := p.secret()
		if old.IsValid() {
			c.Old = shown(old, secret, false)
		}
		if new.IsValid() {
			c.New = shown(new, secret, false)
		}
	}
	d.changes = append(d.changes, c)
}

func (d *differ) value(p *place, a, b reflect.Value) {
	if d.first && len(d.changes) > 0 {
		return
	}
	t := a.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		d.pointer(p, a, b)
	case readsText(t):
		if plainText(a) != plainText(b) {
			d.add(p, Changed, a, b)
		}
	case t.Kind() == reflect.Struct:
		fields := modelOf(t).fields
		for i := range fields {
			f := &fields[i]
			if x, y := a.FieldByIndex(f.index), b.FieldByIndex(f.index); !one(x, y) {
				d.field(d.key(p, f.name), x, y)
			}
		}
	case t.Kind() == reflect.Map:
		d.mapping(p, a, b)
	case t.Kind() == reflect.Slice:
		d.list(p, a, b)
	case !a.Equal(b):
		d.add(p, Changed, a, b)
	}
}

// one reports whether two values are alike at first sight: most are, and those that DecodeAfter took over are the very same.
func one(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		return a.String() == b.String()
	case reflect.Slice:
		return a.Len() == b.Len() && a.Pointer() == b.Pointer() && a.IsNil() == b.IsNil()
	case reflect.Pointer, reflect.Map:
		return a.Pointer() == b.Pointer()
	}
	return false
}

// field compares what may be there on one side only.
func (d *differ) field(p *place, a, b reflect.Value) {
	none, other := isAbsent(a), isAbsent(b)
	switch {
	case none && other:
	case none:
		d.add(p, Added, reflect.Value{}, b)
	case other:
		d.add(p, Removed, a, reflect.Value{})
	default:
		d.value(p, a, b)
	}
}

func (d *differ) pointer(p *place, a, b reflect.Value) {
	switch {
	case a.Pointer() == b.Pointer():
	case a.IsNil():
		d.add(p, Added, reflect.Value{}, b.Elem())
	case b.IsNil():
		d.add(p, Removed, a.Elem(), reflect.Value{})
	default:
		d.value(p, a.Elem(), b.Elem())
	}
}

func (d *differ) mapping(p *place, a, b reflect.Value) {
	if d.first && a.Len() != b.Len() {
		d.add(p, Changed, a, b)
		return
	}
	var names []string
	for _, m := range [...]reflect.Value{a, b} {
		for _, k := range m.MapKeys() {
			names = append(names, k.String())
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		k := reflect.ValueOf(name).Convert(a.Type().Key())
		x, y := a.MapIndex(k), b.MapIndex(k)
		switch {
		case !x.IsValid():
			d.add(d.key(p, name), Added, x, y)
		case !y.IsValid():
			d.add(d.key(p, name), Removed, x, y)
		default:
			d.value(d.key(p, name), addressable(x), addressable(y))
		}
	}
}

// list matches elements by their keys where all have one, and otherwise by their places between what both lists begin and end
// with.
func (d *differ) list(p *place, a, b reflect.Value) {
	from, okFrom := keysOf(a)
	to, okTo := keysOf(b)
	if okFrom && okTo {
		d.keyed(p, a, b, from, to)
		return
	}
	n, m := a.Len(), b.Len()
	head, tail := 0, 0
	for head < min(n, m) && same(a.Index(head), b.Index(head)) {
		head++
	}
	most := min(n, m) - head
	if n == m {
		most-- // what stands behind the head was just seen to differ
	}
	for tail < most && same(a.Index(n-1-tail), b.Index(m-1-tail)) {
		tail++
	}
	for i := head; i < max(n, m)-tail; i++ {
		switch {
		case i >= m-tail:
			d.add(d.element(p, "", i), Removed, a.Index(i), reflect.Value{})
		case i >= n-tail:
			d.add(d.element(p, "", i), Added, reflect.Value{}, b.Index(i))
		default:
			d.value(d.element(p, "", i), a.Index(i), b.Index(i))
		}
	}
}

// keyed compares two lists of elements with keys.
func (d *differ) keyed(p *place, a, b reflect.Value, from, to []string) {
	at := make(map[string]int, len(to))
	for i, k := range to {
		at[k] = i
	}
	var stay []string // in the old order
	old := make(map[string]int, len(from))
	for i, k := range from {
		old[k] = i
		if j, ok := at[k]; ok {
			stay = append(stay, k)
			d.value(d.element(p, k, i), a.Index(i), b.Index(j))
		} else {
			d.add(d.element(p, k, i), Removed, a.Index(i), reflect.Value{})
		}
	}
	var now []string
	for j, k := range to {
		if _, ok := old[k]; ok {
			now = append(now, k)
		} else {
			d.add(d.element(p, k, j), Added, reflect.Value{}, b.Index(j))
		}
	}
	if !slices.Equal(stay, now) {
		d.add(p, Reordered, reflect.ValueOf(stay), reflect.ValueOf(now))
	}
}

var keyedType = reflect.TypeFor[Keyed]()

// keysOf are the keys of a list's elements, if each has one of its own.
func keysOf(list reflect.Value) ([]string, bool) {
	if t := list.Type().Elem(); !t.Implements(keyedType) && !reflect.PointerTo(t).Implements(keyedType) {
		return nil, false
	}
	keys := make([]string, list.Len())
	seen := make(map[string]bool, len(keys))
	for i := range keys {
		e := list.Index(i)
		if e.Kind() != reflect.Pointer {
			e = e.Addr()
		}
		k, ok := e.Interface().(Keyed)
		if !ok {
			return nil, false
		}
		if keys[i] = k.ConfigKey(); keys[i] == "" || seen[keys[i]] {
			return nil, false
		}
		seen[keys[i]] = true
	}
	return keys, true
}

func same(a, b reflect.Value) bool {
	d := &differ{first: true}
	d.value(nil, a, b)
	return len(d.changes) == 0
}

// addressable gives a copy that methods with a pointer receiver can be called on.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// plainText is what a file would say.
func plainText(v reflect.Value) string {
	if s, ok := v.Interface().(Secret); ok {
		return string(s)
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}

// shown is a value for people and for JSON. What is secret by its type or by its key is not shown; what has its default is only
// where all is asked for.
func shown(v reflect.Value, secret, all bool) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch {
	case secret || v.Type() == reflect.TypeFor[Secret]():
		return Hidden
	case readsText(v.Type()):
		return plainText(v)
	}
	switch v.Kind() {
	case reflect.Struct:
		return shownStruct(v, all)
	case reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[k.String()] = shown(v.MapIndex(k), tellsSecret(k.String()), all)
		}
		return out
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = shown(v.Index(i), false, all)
		}
		return out
	}
	return v.Interface()
}

func shownStruct(v reflect.Value, all bool) any {
	own := reflect.New(v.Type()).Elem()
	fillDefaults(own)
	out := map[string]any{}
	for _, f := range modelOf(v.Type()).fields {
		fv := v.FieldByIndex(f.index)
		if isAbsent(fv) || !all && same(addressable(fv), own.FieldByIndex(f.index)) {
			continue
		}
		out[f.name] = shown(fv, tellsSecret(f.name), all)
	}
	return out
}

// Shown is a configuration as encoding/json takes it, defaults included and secrets hidden.
func Shown(v any) any { return shown(reflect.ValueOf(v), false, true) }

// secretWords make a key's value secret wherever they stand in its name; so names of header fields work too.
var secretWords = []string{"authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "api_key", "apikey"}

// tellsSecret reports whether a key's name says that its value is nobody's business.
func tellsSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(name, w) })
}

// flow writes a value on one line, as YAML's flow style or nearly so: JSON without quotes where they can be left out.
func flow(v any) string {
	switch v := v.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range sortedKeys(v) {
			parts = append(parts, k+": "+flow(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = flow(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	r := reflect.ValueOf(v)
	if r.IsValid() && r.Kind() == reflect.String {
		if s := r.String(); s != "" && !strings.ContainsAny(s, ",{}[]\"\n\t#") && strings.TrimSpace(s) == s && !strings.Contains(s, ": ") {
			return s
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
