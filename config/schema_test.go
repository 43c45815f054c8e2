package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"
)

// resolved reads the schema of the test model back, as a program that uses it would.
func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := Schema(&testSpec{}, "Test")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatalf("the schema does not resolve, or a default does not fit its own schema: %v", err)
	}
	return r
}

// schemaSamples are files that parse; schema is set where the schema judges otherwise than Decode, with the reason.
var schemaSamples = []struct {
	text   string
	ok     bool
	schema string
}{
	{text: goodFile, ok: true},
	{text: "listeners: {a: {address: x, timeout: 0, max_body: 1024}}", ok: true},
	{text: "listeners: {a: {address: x, timeout: 1h30m, max_body: 64KiB, protocol: udp}}", schema: "a Validate method refuses udp"},
	{text: "listeners: {a: {address: x, timeout: 1.5s, max_body: 1kB}}", ok: true},
	{text: "listeners: {a: {address: x, timeout: 30}}"},
	{text: "listeners: {a: {address: x, timeout: 5min}}"},
	{text: "listeners: {a: {address: x, timeout: -1s}}"},
	{text: "listeners: {a: {address: x, max_body: -1}}"},
	{text: "listeners: {a: {address: x, max_body: 10M}}"},
	{text: "listeners: {a: {address: x, max_body: 99999999TiB}}", schema: "a pattern cannot multiply"},
	{text: "listeners: {a: {address: x, port: 65535, ratio: 0.5}}", ok: true},
	{text: "listeners: {a: {address: x, port: 65536}}"},
	{text: "listeners: {a: {address: x, port: -1}}"},
	{text: "listeners: {a: {address: x, port: 1.5}}"},
	{text: "listeners: {a: {address: x, port: \"80\"}}"},
	{text: "listeners: {a: {address: 8080}}"},
	{text: "listeners: {a: {address: ~}}"},
	{text: "listeners: {a: {address: x, protocol: htpp}}"},
	{text: "listeners: {a: {address: x, adress: y}}"},
	{text: "listeners: {a: {}}"},
	{text: "listeners: {\"\": {address: x}}"},
	{text: "listeners: []"},
	{text: "clusters: {}"},
	{text: "- a"},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: [\"a:1\", {address: b}, {address: c, weight: 3}]}}", ok: true},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: [a]}}", schema: "FromScalar judges the short form"},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: [[a]]}}"},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: [{weight: 3}]}}"},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: a}}"},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: [], connect: {tries: 127, wait: off}}}", ok: true},
	{text: "listeners: {a: {address: x}}\nclusters: {c: {endpoints: [], connect: {tries: 128}}}"},
	{text: "listeners: {a: {address: x, routes: [{host: h, path: ^/, share: 0.5, filters: []}]}}", ok: true},
	{text: "listeners: {a: {address: x, routes: [{filters: [{name: a, headers: {set: {}}}]}]}}", ok: true},
	{text: "listeners: {a: {address: x, routes: [{filters: [{name: a}]}]}}"},
	{text: "listeners: {a: {address: x, routes: [{filters: [{headers: {}, rate_limit: {rate: 1/s}}]}]}}"},
	{text: "listeners: {a: {address: x, routes: [{filters: [{rate_limit: {rate: 1/d}}]}]}}"},
	{text: "listeners: {a: {address: x, routes: [{filters: [{rate_limit: {rate: 0/s}}]}]}}"},
	{text: "listeners: {a: {address: x, routes: [{filters: [{headers: {set: {A: 1}}}]}]}}"},
	{text: "listeners: {a: {address: x}}\nruntime: {loops: auto, pin: true}", ok: true},
	{text: "listeners: {a: {address: x}}\nruntime: {loops: 0}"},
	{text: "listeners: {a: {address: x}}\nruntime: {loops: many}"},
	{text: "listeners: {a: {address: x}}\nruntime: {pin: yes}"},
	{text: "listeners: {a: {address: x}}\nlabels: {red: a}", ok: true},
	{text: "listeners: {a: {address: x}}\nlabels: {blue: a}"},
	{text: "listeners: {a: {address: x}}\ntrusted: [10.0.0.0/8]", ok: true},
	{text: "listeners: {a: {address: x}}\ntrusted: 10.0.0.0/8"},
	{text: "listeners: {a: {address: x}}\ntrusted: [7]"},
}

func TestSchemaAndDecodeAgree(t *testing.T) {
	r := resolved(t)
	for _, c := range schemaSamples {
		var tree any
		if err := yaml.Unmarshal([]byte(c.text), &tree); err != nil {
			t.Fatal(err)
		}
		decoded := Decode("f", []byte(c.text), new(testSpec))
		if (decoded == nil) != c.ok {
			t.Errorf("%s\nDecode: %v, want ok %v", c.text, decoded, c.ok)
		}
		want := c.ok || c.schema != ""
		if validated := r.Validate(tree); (validated == nil) != want {
			t.Errorf("%s\nschema: %v, want ok %v", c.text, validated, want)
		}
	}
}

func TestSchemaSaysWhatTheModelSays(t *testing.T) {
	text, err := Schema(testSpec{}, "Test")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	listener, cluster, route := s.Defs["config.testListener"], s.Defs["config.testCluster"], s.Defs["config.testRoute"]
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"title", s.Title, "Test"},
		{"draft", s.Schema, "https://json-schema.org/draft/2020-12/schema"},
		{"doc", s.Properties["listeners"].Description, "What is listened on."},
		{"doc of a type", s.Defs["config.testFilter"].Description, "One thing that happens on the way."},
		{"required", s.Required, []string{"listeners"}},
		{"enum", s.Defs["config.testProtocol"].Enum, []any{"http", "tcp", "udp"}},
		{"default of an enum", string(listener.Properties["protocol"].Default), `"http"`},
		{"default of a duration", string(listener.Properties["timeout"].Default), `"30s"`},
		{"default of a size", string(listener.Properties["max_body"].Default), `"10MiB"`},
		{"no default where required", string(listener.Properties["address"].Default), ""},
		{"default of a boolean", string(s.Defs["config.testRuntime"].Properties["pin"].Default), "false"},
		{"default of a count", string(s.Defs["config.testRuntime"].Properties["loops"].Default), `"auto"`},
		{"default of a lifted field", string(route.Properties["share"].Default), "1"},
		{"default that differs from the type's own", compact(cluster.Properties["connect"].Default), `{"tries":3,"wait":"1s"}`},
		{"default that is the type's own", string(s.Properties["runtime"].Default), ""},
		{"hidden field", s.Defs["config.testRuntime"].Properties["hidden"], (*jsonschema.Schema)(nil)},
		{"short form", len(s.Defs["config.testEndpoint"].AnyOf), 2},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
	if n := strings.Count(string(text), `"additionalProperties": false`); n != 11 {
		t.Errorf("%d objects are closed, want each of the 11 structs", n)
	}
	again, err := Schema(&testSpec{}, "Test")
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("the schema of a pointer, or at the second time, differs (%v)", err)
	}
}

func compact(text []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return string(text)
	}
	return b.String()
}

func TestSchemaOfTypesThatContainThemselves(t *testing.T) {
	type tree struct {
		Next []*tree `yaml:"next"`
	}
	text, err := Schema(tree{}, "Tree")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"$ref": "#/$defs/config.tree"`) {
		t.Errorf("no reference in %s", text)
	}
}

func TestSchemaRefusesWhatIsNoModel(t *testing.T) {
	for _, root := range []any{nil, 1, "x", struct{ C chan int }{}} {
		if _, err := Schema(root, "x"); err == nil {
			t.Errorf("a schema of %T", root)
		}
	}
}
