package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// unit is a type of this package that is read from text and also from a plain number, to take it or to ask for a unit.
type unit interface {
	Described
	numbers() bool // whether plain numbers go to UnmarshalText as well
}

// text decodes a scalar through UnmarshalText.
func (d *decoder) text(w *where, n *yaml.Node, v reflect.Value) bool {
	u, isUnit := v.Addr().Interface().(unit)
	number := isNumber(n) && isUnit && u.numbers()
	if !isString(n) && !number {
		d.mismatch(w, n, v)
		return false
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.refuse(w, textError(err))
		return false
	}
	return true
}

// textError turns what a type said of its text into an Error, keeping a suggestion it may have made.
func textError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Problem: e.Problem, Suggestion: e.Suggestion}
	}
	return &Error{Problem: err.Error()}
}

// scalar decodes the kinds that Go and YAML share.
func (d *decoder) scalar(w *where, n *yaml.Node, v reflect.Value) bool {
	tag := n.ShortTag()
	var problem *Error
	switch {
	case n.Kind != yaml.ScalarNode:
		d.mismatch(w, n, v)
		return false
	case v.Kind() == reflect.String && isString(n):
		if words, ok := enumValues(v); ok && !slices.Contains(words, n.Value) {
			near, _ := Nearest(n.Value, words)
			problem = &Error{Problem: fmt.Sprintf("expected %s, found %s", expects(v), quoted(n.Value)), Suggestion: near}
		}
		v.SetString(n.Value)
	case v.Kind() == reflect.Bool && tag == "!!bool" && !isString(n):
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case v.CanInt() && tag == "!!int":
		problem = setInt(v, n.Value)
	case v.CanUint() && tag == "!!int":
		problem = setUint(v, n.Value)
	case v.CanFloat() && isNumber(n):
		problem = setFloat(v, n.Value)
	default:
		d.mismatch(w, n, v)
		return false
	}
	if problem != nil {
		d.refuse(w, problem)
		return false
	}
	return true
}

func setInt(v reflect.Value, s string) *Error {
	text, problem := wholeNumber(s)
	if problem != nil {
		return problem
	}
	bits := v.Type().Bits()
	x, err := strconv.ParseInt(text, 0, bits)
	if err != nil {
		return outOfRange(s, int64(math.MinInt64)>>(64-bits), uint64(math.MaxInt64)>>(64-bits))
	}
	v.SetInt(x)
	return nil
}

func setUint(v reflect.Value, s string) *Error {
	text, problem := wholeNumber(s)
	if problem != nil {
		return problem
	}
	bits := v.Type().Bits()
	x, err := strconv.ParseUint(text, 0, bits)
	if err != nil {
		return outOfRange(s, 0, math.MaxUint64>>(64-bits))
	}
	v.SetUint(x)
	return nil
}

func setFloat(v reflect.Value, s string) *Error {
	x, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), v.Type().Bits())
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return &Error{Problem: fmt.Sprintf("%s is no finite number; write one such as 0.5", s)}
	}
	v.SetFloat(x)
	return nil
}

// wholeNumber prepares the text of a whole number for strconv. A leading zero is refused: it means octal to YAML 1.1,
// decimal to YAML 1.2 and something to whoever wrote it.
func wholeNumber(s string) (string, *Error) {
	text := strings.TrimPrefix(strings.ReplaceAll(s, "_", ""), "+")
	digits := strings.TrimPrefix(text, "-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		plain := strings.TrimLeft(digits, "0")
		return "", &Error{Problem: fmt.Sprintf("%s may mean octal; write 0o%s for octal or leave the zeros out", s, plain)}
	}
	return text, nil
}

func outOfRange(s string, low int64, high uint64) *Error {
	return &Error{Problem: fmt.Sprintf("%s is out of range; it must be between %d and %d", s, low, high)}
}

// mismatch reports that the node at w is of another type than v can take.
func (d *decoder) mismatch(w *where, n *yaml.Node, v reflect.Value) {
	d.refuse(w, &Error{Problem: fmt.Sprintf("expected %s, found %s", expects(v), found(n)), Suggestion: retyped(n, v)})
}

// retyped guesses how the scalar would have to be written to be what v takes.
func retyped(n *yaml.Node, v reflect.Value) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		return ""
	case isNull(n):
		if v.Kind() == reflect.Struct && !readsText(v.Type()) && !modelOf(v.Type()).demanding() {
			return "{}"
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(n.Value)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String && isString(n) {
			return "[" + n.Value + "]"
		}
	case reflect.Bool:
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on", "y", "1":
			return "true"
		case "false", "no", "off", "n", "0":
			return "false"
		}
	default:
		if _, err := strconv.ParseUint(n.Value, 10, 63); err == nil && (v.CanInt() || v.CanUint() || v.CanFloat()) {
			return n.Value
		}
	}
	return ""
}

// expects says what a value of v's type looks like, with an example.
func expects(v reflect.Value) string {
	if e, ok := v.Addr().Interface().(Described); ok {
		return e.Expects()
	}
	t := v.Type()
	if words, ok := enumValues(v); ok {
		return "one of " + strings.Join(words[:min(maxListed, len(words))], ", ")
	}
	switch {
	case readsText(t), t.Kind() == reflect.String:
		return `a string such as "text"`
	case t.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt(), v.CanUint():
		return "a whole number such as 8"
	case v.CanFloat():
		return "a number such as 0.5"
	case t.Kind() == reflect.Slice:
		return "a list such as [a, b]"
	case t.Kind() == reflect.Map:
		return "a mapping such as {name: value}"
	}
	mapping := "a mapping"
	if names := modelOf(t).names; len(names) > 0 {
		mapping = "a mapping with keys such as " + strings.Join(names[:min(3, len(names))], ", ")
	}
	if t.Implements(shorthandType) || reflect.PointerTo(t).Implements(shorthandType) {
		return mapping + ", or its short form"
	}
	return mapping
}

// found says what stands in the file.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case isString(n):
		return "the string " + quoted(n.Value)
	case isNumber(n):
		return "the number " + short(n.Value)
	default:
		return short(n.Value)
	}
}

// tagProblem refuses explicit tags that would make a value something this package does not decode.
func tagProblem(n *yaml.Node) string {
	if n.Style&yaml.TaggedStyle == 0 {
		return ""
	}
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return ""
	default:
		return fmt.Sprintf("the tag %s is not known here; leave it out", short(tag))
	}
}

// isString reports whether a scalar is text to us: also what the library resolves to a time or a merge sign.
func isString(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp", "!!merge":
		return true
	}
	return false
}

func isNumber(n *yaml.Node) bool {
	tag := n.ShortTag()
	return n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float")
}

// maxQuoted bounds how much of a value a message repeats, in characters.
const maxQuoted = 40

// short cuts text for a message.
func short(s string) string {
	if r := []rune(s); len(r) > maxQuoted {
		return string(r[:maxQuoted]) + "…"
	}
	return s
}

func quoted(s string) string { return strconv.Quote(short(s)) }

// unknownWord says that a word is not among the known ones, with the nearest of them or, failing that, all of them.
func unknownWord(problem, got string, known []string) *Error {
	if near, ok := Nearest(got, known); ok {
		return &Error{Problem: problem, Suggestion: near}
	}
	if len(known) == 0 {
		return &Error{Problem: problem + "; none is known here"}
	}
	return &Error{Problem: problem + "; known here: " + listed(known)}
}
