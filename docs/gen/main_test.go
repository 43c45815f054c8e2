package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	got, err := render([]byte(`{
		"type": "object",
		"required": ["zebra"],
		"properties": {
			"zebra": {"$ref": "#/$defs/a.Z", "description": "First | foremost."},
			"apple": {"type": "object", "additionalProperties": {"$ref": "#/$defs/a.A"}},
			"wait": {"$ref": "#/$defs/config.Duration", "default": "2s"},
			"short": {"type": "array", "items": {"anyOf": [{"type": ["string", "number"]}, {"$ref": "#/$defs/a.A"}]}}
		},
		"additionalProperties": false,
		"$defs": {
			"a.Z": {"type": "string", "enum": ["x", "y"]},
			"a.A": {"type": "object", "oneOf": [{"required": ["n"]}], "properties": {"n": {"type": "integer", "default": 3}}},
			"config.Duration": {"anyOf": [{"type": "string"}, {"const": 0}]}
		}}`))
	if err != nil {
		t.Fatal(err)
	}
	body, ok := bytes.CutPrefix(got, []byte(intro))
	if !ok {
		t.Fatalf("the page starts otherwise:\n%s", got)
	}
	const head = "| key | type | default | |\n| --- | --- | --- | --- |\n"
	want := "\n## The file\n\n" + head +
		"| `zebra` | `x`, `y` | *required* | First \\| foremost. |\n" +
		"| `apple` | map of object |  |  |\n" +
		"| `wait` | duration | `2s` |  |\n" +
		"| `short` | list of string or object |  |  |\n" +
		"\n## apple.NAME\n\nExactly one of:\n\n" + head + "| `n` | integer | `3` |  |\n" +
		"\n## short\\[\\]\n\nExactly one of:\n\n" + head + "| `n` | integer | `3` |  |\n"
	if string(body) != want {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"dangling": {`{"properties": {"a": {"$ref": "#/$defs/x"}}}`, "not defined"},
		"no types": {`{"properties": {"a": {"type": []}}}`, "empty list"},
		"untyped":  {`{"properties": {"a": {}}}`, "without a type"},
		"endless": {`{"properties": {"a": {"$ref": "#/$defs/x"}},
			"$defs": {"x": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}}}}`, "too deep"},
		"no JSON": {`{`, "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
