package config

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema describes what Decode takes for a value of root's type, a struct or a pointer to one, as an indented JSON
// Schema (draft 2020-12) under the given title: editors complete and check files by it. It says the same as Decode
// wherever the language of schemas can, and nothing that Decode would not also hold.
func Schema(root any, title string) ([]byte, error) {
	t := reflect.TypeOf(root)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("config: a schema of %T, want a struct", root)
	}
	if err := supported(t); err != nil {
		return nil, err
	}
	b := &schemaBuilder{names: map[reflect.Type]string{}, defs: map[string]*jsonschema.Schema{}}
	s, err := b.structure(t)
	if err != nil {
		return nil, err
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = title
	s.Defs = b.defs
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("config: writing the schema of %s: %w", t, err)
	}
	return append(text, '\n'), nil
}

// schemaBuilder collects one definition per named type, so that types which contain themselves end.
type schemaBuilder struct {
	names map[reflect.Type]string
	defs  map[string]*jsonschema.Schema
}

// of is the schema of a type: inline for what Go and JSON share, a reference for what has a name and rules of its own.
func (b *schemaBuilder) of(t reflect.Type) (*jsonschema.Schema, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	v := reflect.New(t).Elem()
	_, isEnum := enumValues(v)
	special := readsText(t) || isEnum || isShorthand(t) || t.Kind() == reflect.Struct
	if !special || t.Name() == "" {
		return b.plain(t)
	}
	if name, ok := b.names[t]; ok {
		return &jsonschema.Schema{Ref: "#/$defs/" + name}, nil
	}
	name := b.name(t)
	b.names[t] = name
	b.defs[name] = &jsonschema.Schema{} // takes the name while the type is described
	s, err := b.plain(t)
	if err != nil {
		return nil, err
	}
	b.defs[name] = s
	return &jsonschema.Schema{Ref: "#/$defs/" + name}, nil
}

// name is the definition's name: package and type, numbered where two packages share theirs.
func (b *schemaBuilder) name(t reflect.Type) string {
	clean := func(r rune) rune {
		if r < 0x80 && (plainKey(string(r)) || r == '.') && r != '/' && r != '*' {
			return r
		}
		return '_'
	}
	base := strings.Map(clean, path.Base(t.PkgPath())+"."+t.Name())
	name := base
	for i := 2; b.defs[name] != nil; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	return name
}

// plain describes a type without giving it a name, in the order in which fill decides.
func (b *schemaBuilder) plain(t reflect.Type) (*jsonschema.Schema, error) {
	if readsText(t) {
		return textSchema(t), nil
	}
	s, err := b.kind(t)
	if err != nil || !isShorthand(t) {
		return s, err
	}
	scalar := &jsonschema.Schema{Types: []string{"string", "number", "boolean"}, Description: "The short form."}
	if d, ok := reflect.New(t).Interface().(Described); ok {
		scalar.Description = "The short form: " + d.Expects() + "."
	}
	if t.Kind() == reflect.Struct && len(modelOf(t).fields) == 0 {
		return scalar, nil
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{scalar, s}}, nil
}

// kind describes a type by its kind.
func (b *schemaBuilder) kind(t reflect.Type) (*jsonschema.Schema, error) {
	v := reflect.New(t).Elem()
	switch {
	case t.Kind() == reflect.Struct:
		return b.structure(t)
	case t.Kind() == reflect.Map:
		elements, err := b.of(t.Elem())
		return &jsonschema.Schema{Type: "object", AdditionalProperties: elements, PropertyNames: keySchema(t.Key())}, err
	case t.Kind() == reflect.Slice:
		items, err := b.of(t.Elem())
		return &jsonschema.Schema{Type: "array", Items: items}, err
	case t.Kind() == reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}, nil
	case v.CanFloat():
		return &jsonschema.Schema{Type: "number"}, nil
	case v.CanInt(), v.CanUint():
		return integerSchema(v), nil
	}
	s := &jsonschema.Schema{Type: "string"}
	if words, ok := enumValues(v); ok {
		s.Enum = anyWords(words)
	}
	return s, nil
}

// structure describes a struct by its tags and its defaults.
func (b *schemaBuilder) structure(t reflect.Type) (*jsonschema.Schema, error) {
	m := modelOf(t)
	s := &jsonschema.Schema{
		Type:                 "object",
		Description:          m.doc,
		Properties:           map[string]*jsonschema.Schema{},
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}, // written as false
		PropertyOrder:        m.names,
	}
	defaults := reflect.New(t).Elem()
	fillDefaults(defaults)
	for _, f := range m.fields {
		p, err := b.of(f.typ)
		if err != nil {
			return nil, err
		}
		if f.doc != "" {
			p.Description = f.doc
		}
		if f.required {
			s.Required = append(s.Required, f.name)
		} else if p.Default, err = defaultOf(defaults.FieldByIndex(f.index)); err != nil {
			return nil, fmt.Errorf("config: the default of %s.%s: %w", t, f.name, err)
		}
		s.Properties[f.name] = p
	}
	for _, group := range m.oneOf {
		one := &jsonschema.Schema{}
		for _, name := range group {
			one.OneOf = append(one.OneOf, &jsonschema.Schema{Required: []string{name}})
		}
		if len(m.oneOf) == 1 {
			s.OneOf = one.OneOf
		} else {
			s.AllOf = append(s.AllOf, one)
		}
	}
	return s, nil
}

// keySchema is what a map's keys have to be.
func keySchema(t reflect.Type) *jsonschema.Schema {
	if words, ok := enumValues(reflect.New(t).Elem()); ok {
		return &jsonschema.Schema{Enum: anyWords(words)}
	}
	return &jsonschema.Schema{MinLength: jsonschema.Ptr(1)}
}

// integerSchema bounds an integer by its Go type, where a JSON number can hold the bounds exactly.
func integerSchema(v reflect.Value) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "integer"}
	bits := v.Type().Bits()
	if v.CanUint() {
		s.Minimum = jsonschema.Ptr(0.0)
		if bits < 64 {
			s.Maximum = jsonschema.Ptr(math.Exp2(float64(bits)) - 1)
		}
	} else if bits < 64 {
		s.Minimum = jsonschema.Ptr(-math.Exp2(float64(bits - 1)))
		s.Maximum = jsonschema.Ptr(math.Exp2(float64(bits-1)) - 1)
	}
	return s
}

// textSchema describes a type that reads text: the units of this package closely, others as any string.
func textSchema(t reflect.Type) *jsonschema.Schema {
	v := reflect.New(t).Interface()
	s := &jsonschema.Schema{Type: "string"}
	switch v := v.(type) {
	case *Duration:
		const one = `([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)`
		s = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^(off|[+-]?0|\+?(` + one + `)+)$`}, {Const: jsonschema.Ptr[any](0)}}}
	case *Size:
		s = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^[0-9]+(` + sizeNames() + `)?$`}, {Type: "integer", Minimum: jsonschema.Ptr(0.0)}}}
	case *Rate:
		s.Pattern = `^0*[1-9][0-9]*/[smh]$`
	case *Auto:
		s = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^(auto|0*[1-9][0-9]*)$`},
			{Type: "integer", Minimum: jsonschema.Ptr(1.0), Maximum: jsonschema.Ptr(float64(math.MaxInt32))}}}
	case *Regexp:
		s.Format = "regex"
	case Enum:
		s.Enum = anyWords(v.EnumValues())
	}
	if d, ok := v.(Described); ok {
		expected := d.Expects()
		s.Description = strings.ToUpper(expected[:1]) + expected[1:] + "."
	}
	return s
}

func sizeNames() string {
	names := make([]string, len(sizeUnits))
	for i, u := range sizeUnits {
		names[i] = u.name
	}
	return strings.Join(names, "|")
}

func isShorthand(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(shorthandType)
}

func anyWords(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
