package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// model is what the tags of a struct type say, read once per type.
type model struct {
	doc     string // of the type, from the tag of a field named _
	fields  []field
	names   []string
	byName  map[string]*field
	oneOf   [][]string // groups of keys of which exactly one must stand
	nested  [][]int    // struct fields held by value, those lifted up included
	inlined [][]int    // embedded structs whose keys are lifted up
	outside bool       // there is an Outsider inside
}

// field is one key of a struct.
type field struct {
	name     string
	doc      string
	index    []int
	typ      reflect.Type
	required bool
	place    int // among the model's fields
}

var (
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	shorthandType = reflect.TypeFor[Shorthand]()
	outsiderType  = reflect.TypeFor[Outsider]()
)

// models caches by reflect.Type; the set of types in a program is its bound.
var models sync.Map

// modelOf reads the tags of a struct type that supported has let pass.
func modelOf(t reflect.Type) *model {
	if m, ok := models.Load(t); ok {
		return m.(*model)
	}
	m := &model{byName: map[string]*field{}, outside: looksOutside(t, map[reflect.Type]bool{})}
	m.read(t, nil)
	for i := range m.fields {
		m.fields[i].place = i
		m.byName[m.fields[i].name] = &m.fields[i]
	}
	models.Store(t, m)
	return m
}

// looksOutside reports whether a value of the type may have an Outsider inside. seen are types that were looked at.
func looksOutside(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if reflect.PointerTo(t).Implements(outsiderType) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return looksOutside(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if looksOutside(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// read adds the fields of t, which stands at index in the struct the model is of.
func (m *model) read(t reflect.Type, index []int) {
	var pointers []string
	oneOf := false
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		if f.Name == "_" {
			oneOf = oneOf || f.Tag.Get("config") == "oneof"
			if doc := f.Tag.Get("doc"); doc != "" && len(index) == 0 {
				m.doc = doc
			}
			continue
		}
		name, inline, ok := keyOf(f)
		switch {
		case !ok:
			continue
		case inline:
			m.nested = append(m.nested, at)
			m.inlined = append(m.inlined, at)
			m.read(f.Type, at)
			continue
		case f.Type.Kind() == reflect.Struct:
			m.nested = append(m.nested, at)
		case f.Type.Kind() == reflect.Pointer:
			pointers = append(pointers, name)
		}
		m.names = append(m.names, name)
		m.fields = append(m.fields, field{
			name: name, doc: f.Tag.Get("doc"), index: at, typ: f.Type, required: f.Tag.Get("config") == "required",
		})
	}
	if oneOf {
		m.oneOf = append(m.oneOf, pointers)
	}
}

// demanding reports whether an empty mapping would not do.
func (m *model) demanding() bool {
	return len(m.oneOf) > 0 || slices.ContainsFunc(m.fields, func(f field) bool { return f.required })
}

// keyOf reads a field's yaml tag: its key, or that its own keys are lifted up, or that it is none of the file's.
func keyOf(f reflect.StructField) (name string, inline, ok bool) {
	name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	inline = slices.Contains(strings.Split(options, ","), "inline")
	switch {
	case name == "-", !f.IsExported() && !inline:
		return "", false, false
	case name == "":
		name = strings.ToLower(f.Name)
	}
	return name, inline, true
}

// textTypes remembers readsText, which is asked of every value and takes the runtime a search through the type's methods.
var textTypes sync.Map

// readsText reports whether values of the type are read by UnmarshalText, whatever their kind.
func readsText(t reflect.Type) bool {
	if t.PkgPath() == "" && t.Kind() != reflect.Struct {
		return false // a type without a name has no methods, and an embedded one lends them only to structs
	}
	if known, ok := textTypes.Load(t); ok {
		return known.(bool)
	}
	reads := reflect.PointerTo(t).Implements(textType)
	textTypes.Store(t, reads)
	return reads
}

// supportedTypes remembers which types were found fit, so that Decode looks at each only once.
var supportedTypes sync.Map

// supported says why a type cannot be decoded, or nil. It looks at the types alone, so that a wrong Spec shows at the
// first Decode of anything and not when a file happens to use the field.
func supported(t reflect.Type) error {
	if _, ok := supportedTypes.Load(t); ok {
		return nil
	}
	if err := check(t, t.String(), map[reflect.Type]bool{}); err != nil {
		return err
	}
	supportedTypes.Store(t, true)
	return nil
}

func check(t reflect.Type, at string, seen map[reflect.Type]bool) error {
	if seen[t] || readsText(t) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Pointer {
			return fmt.Errorf("config: %s is a pointer to a pointer", at)
		}
		return check(t.Elem(), at, seen)
	case reflect.Slice:
		return check(t.Elem(), at+"[]", seen)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return fmt.Errorf("config: the keys of %s are %s, only strings can be", at, t.Key())
		}
		return check(t.Elem(), at+"[]", seen)
	case reflect.Struct:
		return checkStruct(t, at, seen)
	default:
		return fmt.Errorf("config: %s is a %s, which a file cannot hold", at, t)
	}
}

func checkStruct(t reflect.Type, at string, seen map[reflect.Type]bool) error {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		known := "required"
		if f.Name == "_" {
			known = "oneof"
		}
		if tag := f.Tag.Get("config"); tag != "" && tag != known {
			return fmt.Errorf("config: the tag config:%q of %s.%s is not known", tag, at, f.Name)
		}
		name, inline, ok := keyOf(f)
		switch {
		case !ok:
			continue
		case inline && (f.Type.Kind() != reflect.Struct || !f.IsExported()):
			return fmt.Errorf("config: %s.%s is inline and no exported struct", at, f.Name)
		case !inline && names[name]:
			return fmt.Errorf("config: %s has the key %q twice", at, name)
		case !inline:
			names[name] = true
		}
		if err := check(f.Type, at+"."+f.Name, seen); err != nil {
			return err
		}
	}
	model := modelOf(t)
	for i, f := range model.fields { // also those that were lifted up from two embedded structs
		if slices.Contains(model.names[:i], f.name) {
			return fmt.Errorf("config: %s has the key %q twice", at, f.name)
		}
	}
	return nil
}

// enumValues returns the words that v may be, when its type has a closed set of them.
func enumValues(v reflect.Value) ([]string, bool) {
	if e, ok := v.Addr().Interface().(Enum); ok && v.Kind() == reflect.String {
		return e.EnumValues(), true
	}
	return nil, false
}
