package config

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDepth bounds how deep values nest; a deeper file is an accident or an attack.
	maxDepth = 100
	// maxAliasedValues bounds the values that aliases and merge keys add to those written in the file, so that a few
	// lines of aliases to aliases cannot become gigabytes.
	maxAliasedValues = 100_000
)

// Validator is a value with rules of its own. Validate is called, through the pointer, for every value that was
// decoded, its children before it, with a Check that stands at the value. It is not called for a value the file does
// not mention: defaults are taken to be right.
type Validator interface {
	Validate(c *Check)
}

// Outsider is a Validator that looks at more than the text: at files, or at the clock. DecodeAfter never takes over what has one inside.
type Outsider interface {
	Validator
	LooksOutside()
}

// Defaulter is a struct with defaults. SetDefaults is called, through the pointer, on a fresh value before it is
// decoded into: an element of a list or a map, what a pointer is made to point at, and every struct inside of those.
// A struct's children come first, so that it can overrule the defaults they have by themselves.
type Defaulter interface {
	SetDefaults()
}

// Shorthand is a value that may also be written as a scalar, as an endpoint that needs nothing but its address.
// FromScalar is called, through the pointer, with the text of a string, a number or a boolean, on a value that already
// holds its defaults.
type Shorthand interface {
	FromScalar(s string) error
}

// Enum is a string type that takes only certain words.
type Enum interface {
	EnumValues() []string
}

// Described is a type read from text that can say what it expects, for error messages and for the schema:
// "an address such as 127.0.0.1:8080 or unix:/run/app.sock".
type Described interface {
	Expects() string
}

// Decode reads the one YAML document in data into dst, a pointer to a struct that already holds its defaults. The
// name of the file is used in messages only. The error is an Errors with every problem found, or nil when there is
// none; after an error dst is in no defined state.
//
// A dst whose fields are all zero is given its defaults first, and so is every struct inside of dst that is still zero.
// Decode panics when dst is no pointer to a struct or has a field of a type that a file cannot hold.
func Decode(file string, data []byte, dst any) error {
	_, err := DecodeAfter(nil, file, data, dst)
	return err
}

// DecodeAfter is Decode of a text that is likely to repeat much of the one before it, as a configuration that was edited does.
// Elements of long lists that stand there byte for byte are not parsed and checked again: dst shares what they became with the value
// that was decoded then, so neither may be changed any more, nor may data. If there is anything to complain of, all of data is decoded
// as if nothing had been before it. It returns what the text after this one may repeat; nil for before and in return is nothing.
func DecodeAfter(before *Reading, file string, data []byte, dst any) (*Reading, error) {
	return Tolerance(nil).DecodeAfter(before, file, data, dst)
}

// Tolerance says of a fault that Check.Fault was given whether whoever reads the text can go on in spite of it. A nil one says so of none.
type Tolerance func(fault error) bool

// DecodeAfter is the function of that name, but that it passes over what t tolerates.
func (t Tolerance) DecodeAfter(before *Reading, file string, data []byte, dst any) (*Reading, error) {
	v := destination(dst)
	if again := before.repeated(data); again != nil {
		fresh := reflect.New(v.Type()).Elem()
		fresh.Set(v)
		if d, err := t.decode(file, again.text, again, fresh); err == nil && !d.doubt && !d.anchored && d.repeated == len(again.lines) {
			v.Set(fresh)
			return d.reading(data), nil
		}
	}
	d, err := t.decode(file, data, nil, v)
	if err != nil {
		return nil, err
	}
	return d.reading(data), nil
}

// destination is the struct that dst points to, with its defaults.
func destination(dst any) reflect.Value {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: Decode into %T, want a pointer to a struct", dst))
	}
	if err := supported(v.Type().Elem()); err != nil {
		panic(err.Error())
	}
	Defaults(dst)
	return v.Elem()
}

// decode decodes a text in which again, if it is not nil, says what stands for elements of the text before.
func (t Tolerance) decode(file string, data []byte, again *repeats, v reflect.Value) (*decoder, error) {
	d := newDecoder(file)
	d.again, d.tolerate = again, t
	return d, d.document(data, v)
}

func newDecoder(file string) *decoder {
	return &decoder{
		report:   report{file: file, said: map[saying]bool{}, broken: map[string]bool{}, above: map[string]bool{}},
		mappings: map[*yaml.Node]*mapping{},
		open:     map[*yaml.Node]bool{},
		left:     maxAliasedValues,
	}
}

// document decodes the one document in data.
func (d *decoder) document(data []byte, v reflect.Value) error {
	root, problem := parse(data)
	if problem != nil {
		problem.File = d.file
		return Errors{problem}
	}
	d.survey(root)
	d.value(&where{node: root, line: root.Line, column: root.Column}, root, v)
	return d.errors()
}

// Defaults gives the struct that v points to, and every struct inside of it, their defaults where they are still zero.
func Defaults(v any) {
	fillDefaults(reflect.ValueOf(v).Elem())
}

// fillDefaults does it for an addressable value. Only structs held by value are entered: what is behind a pointer or in
// a list or a map is made, and defaulted, when the file mentions it.
func fillDefaults(v reflect.Value) {
	fresh := v.IsZero()
	if v.Kind() == reflect.Struct && !readsText(v.Type()) {
		for _, f := range modelOf(v.Type()).nested {
			fillDefaults(v.FieldByIndex(f))
		}
	}
	if d, ok := v.Addr().Interface().(Defaulter); ok && fresh {
		d.SetDefaults()
	}
}

// decoder is the state of one Decode.
type decoder struct {
	report
	mappings map[*yaml.Node]*mapping // resolved once: validators look keys up again and again
	open     map[*yaml.Node]bool     // anchored values being decoded, to find one that contains itself
	left     int                     // values that may still be decoded
	anchored bool                    // there are anchors
	long     []longRead              // long lists that were decoded, none of them inside of another
	inLong   bool                    // one is being decoded
	again    *repeats                // nil: nothing stands for an element of the text before
	repeated int                     // elements that were taken from there
	doubt    bool                    // somebody asked more of one than is known
	tolerate Tolerance               // nil: nothing is
	part     bool                    // other keys of the document are not looked at
}

// survey counts the nodes written in the file, aliases not followed, and sees whether there could be any. Lists become as long as they
// are in the file.
func (d *decoder) survey(n *yaml.Node) {
	d.left++
	d.again.expand(n)
	d.anchored = d.anchored || n.Anchor != ""
	for _, c := range n.Content {
		d.survey(c)
	}
}

// value decodes the node at w into v and then lets v check itself.
func (d *decoder) value(w *where, n *yaml.Node, v reflect.Value) {
	if !d.spend(w, 1) {
		return
	}
	if w.depth > maxDepth {
		d.refuse(w, &Error{Problem: fmt.Sprintf("values nest more than %d deep", maxDepth)})
		return
	}
	n = follow(n)
	if n.Anchor != "" {
		if d.open[n] {
			d.refuse(w, &Error{Problem: fmt.Sprintf("the value of anchor &%s contains itself", n.Anchor)})
			return
		}
		d.open[n] = true
		defer delete(d.open, n)
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		if v.IsNil() {
			fillDefaults(fresh.Elem())
		} else { // merge with the default, which other values may share
			fresh.Elem().Set(v.Elem())
		}
		v.Set(fresh)
		v = fresh.Elem()
	}
	if !d.fill(w, n, v) || d.left < 0 {
		return
	}
	if validator, ok := v.Addr().Interface().(Validator); ok {
		validator.Validate(&Check{decoder: d, at: w})
	}
}

// spend takes n values from the bound on aliased ones. Past it nothing is decoded any more; it is reported once.
func (d *decoder) spend(w *where, n int) bool {
	if d.left < 0 {
		return false
	}
	if d.left -= n; d.left < 0 {
		d.refuse(w, &Error{Problem: fmt.Sprintf("aliases and merge keys make this file more than %d values larger", maxAliasedValues)})
		return false
	}
	return true
}

// fill decodes by the kind of v and reports whether the node had the right shape.
func (d *decoder) fill(w *where, n *yaml.Node, v reflect.Value) bool {
	if problem := tagProblem(n); problem != "" {
		d.refuse(w, &Error{Problem: problem})
		return false
	}
	if readsText(v.Type()) {
		return d.text(w, n, v)
	}
	if short, ok := v.Addr().Interface().(Shorthand); ok && n.Kind == yaml.ScalarNode && !isNull(n) {
		if err := short.FromScalar(n.Value); err != nil {
			d.refuse(w, textError(err))
			return false
		}
		return true
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(w, n, v)
	case reflect.Map:
		return d.mapValue(w, n, v)
	case reflect.Slice:
		return d.list(w, n, v)
	default:
		return d.scalar(w, n, v)
	}
}

// list replaces v by the elements of a sequence.
func (d *decoder) list(w *where, n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.SequenceNode {
		d.mismatch(w, n, v)
		return false
	}
	if d.memorable(n, v.Type().Elem()) {
		v.Set(d.longList(w, n, v.Type()))
		return true
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		fillDefaults(out.Index(i))
		d.value(w.elementAt(i, c), c, out.Index(i))
	}
	v.Set(out)
	return true
}

// mapValue replaces v by the entries of a mapping. An entry that is wrong inside still stands in the map, so that what
// refers to it by name is not reported as well.
func (d *decoder) mapValue(w *where, n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.MappingNode {
		d.mismatch(w, n, v)
		return false
	}
	m := d.mapping(w, n)
	out := reflect.MakeMapWithSize(v.Type(), len(m.entries))
	for _, e := range m.entries {
		key := reflect.New(v.Type().Key()).Elem()
		key.SetString(e.name)
		if words, ok := enumValues(key); ok && !slices.Contains(words, e.name) {
			d.refuse(w.keyAt(e), unknownWord("unknown key", e.name, words))
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		fillDefaults(element)
		d.value(w.entryAt(e), e.value, element)
		out.SetMapIndex(key, element)
	}
	v.Set(out)
	return true
}

// structure merges the entries of a mapping into the struct v.
func (d *decoder) structure(w *where, n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.MappingNode {
		d.mismatch(w, n, v)
		return false
	}
	model := modelOf(v.Type())
	m := d.mapping(w, n)
	mistyped := map[string]bool{} // keys that an unknown one was probably meant to be
	for _, e := range m.entries {
		f, ok := model.byName[e.name]
		if !ok && d.part && w.depth == 0 {
			continue
		}
		if !ok {
			problem := unknownWord("unknown key", e.name, model.names)
			mistyped[problem.Suggestion] = true
			d.refuse(w.keyAt(e), problem)
			continue
		}
		d.value(w.entryAt(e), e.value, v.FieldByIndex(f.index))
	}
	for _, f := range model.fields {
		if f.required && !m.has(f.name) && !mistyped[f.name] {
			d.refuse(w.missing(f.name), &Error{Problem: "required key is missing"})
		}
	}
	for _, group := range model.oneOf {
		d.oneOf(w, m, group, len(mistyped) > 0)
	}
	d.lifted(w, v, model)
	return true
}

// oneOf checks that exactly one key of the group stands in the file.
func (d *decoder) oneOf(w *where, m *mapping, group []string, mistyped bool) {
	first := ""
	for _, e := range m.entries {
		if !slices.Contains(group, e.name) {
			continue
		}
		if first != "" {
			d.refuse(w.keyAt(e), &Error{Problem: fmt.Sprintf("only one of %s may stand here, and %s stands already", listed(group), first)})
			return
		}
		first = e.name
	}
	if first == "" && !mistyped {
		d.refuse(w, &Error{Problem: "expected one of the keys " + listed(group)})
	}
}

// lifted lets the embedded structs check themselves, whose keys stand among those of the struct around them.
func (d *decoder) lifted(w *where, v reflect.Value, model *model) {
	for _, index := range model.inlined {
		if validator, ok := v.FieldByIndex(index).Addr().Interface().(Validator); ok {
			validator.Validate(&Check{decoder: d, at: w})
		}
	}
}
