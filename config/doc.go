// Package config decodes YAML strictly into the Specs of other packages and describes them as a JSON Schema.
//
// It knows nothing of what a gateway is. Every package owns its Spec: the struct, its defaults ([Defaulter]), its
// rules ([Validator]), its closed sets of words ([Enum]) and its short forms ([Shorthand]). This package finds them by
// reflection, so that one model serves the file, the admin API and the schema, and so that every complaint of every
// package reads alike:
//
//	gateway.yaml:12:7: listeners.web.routes[0].clutser: unknown key; did you mean "cluster"?
//
// Nothing is guessed and nothing is skipped: an unknown, repeated or empty key, a value of another type, a number that
// does not fit and a second document are errors, and all of them are reported together, in the order of the file.
//
// Reading starts at [Decode] in decode.go. From there: syntax.go turns bytes into nodes and finds where a syntax error
// stands, mapping.go resolves merge keys and duplicates, scalar.go turns words into values, check.go is what a
// Validate method sees, unit_*.go are the types with a unit, model.go reads struct tags, schema.go writes the schema.
// [DecodeAfter] reads a text of which most stood in the one before: reading.go is what that one left behind, repeat.go how it is used.
//
// # Struct tags
//
//	yaml:"name"          the key; "-" leaves the field out, ",inline" lifts an embedded struct's keys up
//	doc:"One sentence."  the description in the schema
//	config:"required"    the key must stand in the file
//	config:"oneof"       on a field `_ struct{}`: exactly one of the struct's pointer fields must stand in the file
//
// A list or a map in the file replaces a default one; a struct is merged with its default key by key. Null is never a
// value: whoever wants the default leaves the key out.
//
// Any package may call it, from any goroutine: it is pure, holds no state but a cache of type descriptions, and opens
// no file. It never imports loop, conn or sys.
package config
