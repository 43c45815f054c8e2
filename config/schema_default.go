package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// defaultOf writes the default of a field for the schema, or nothing when leaving the key out means that there is none:
// an empty string, list or map, a pointer to nothing, a struct that only holds what its own type says by itself.
func defaultOf(v reflect.Value) (json.RawMessage, error) {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Struct && !readsText(t):
		own := reflect.New(t).Elem()
		fillDefaults(own)
		ours, err := encodeJSON(v)
		if err != nil {
			return nil, err
		}
		theirs, err := encodeJSON(own)
		if err != nil || bytes.Equal(ours, theirs) {
			return nil, err
		}
		return ours, nil
	case isAbsent(v):
		return nil, nil
	}
	return encodeJSON(v)
}

// isAbsent reports whether a value stands for none, and could not be written in a file either.
func isAbsent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.String:
		return v.IsZero()
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return readsText(v.Type()) && v.IsZero()
	}
	return false
}

func encodeJSON(v reflect.Value) (json.RawMessage, error) {
	x, err := encode(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(x)
}

// encode turns a decoded value back into what a file would say, for encoding/json, which sorts the keys of maps.
func encode(v reflect.Value) (any, error) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if readsText(v.Type()) {
		m, ok := v.Interface().(encoding.TextMarshaler)
		if !ok {
			return nil, fmt.Errorf("%s has UnmarshalText but no MarshalText", v.Type())
		}
		text, err := m.MarshalText()
		return string(text), err
	}
	switch v.Kind() {
	case reflect.Struct:
		return encodeStruct(v)
	case reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			x, err := encode(v.MapIndex(k))
			if err != nil {
				return nil, err
			}
			out[k.String()] = x
		}
		return out, nil
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			x, err := encode(v.Index(i))
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	}
	return v.Interface(), nil
}

func encodeStruct(v reflect.Value) (any, error) {
	out := map[string]any{}
	for _, f := range modelOf(v.Type()).fields {
		fv := v.FieldByIndex(f.index)
		if isAbsent(fv) {
			continue
		}
		x, err := encode(fv)
		if err != nil {
			return nil, err
		}
		out[f.name] = x
	}
	return out, nil
}
