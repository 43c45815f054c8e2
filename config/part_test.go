package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
)

// partSpec is what the tests want of a document that has more.
type partSpec struct {
	Pool poolSpec `yaml:"pool" doc:"A pool."`
}

const wholePool = "pool:\n  endpoints: [\"127.0.0.1:3000\", {address: \"127.0.0.1:3001\", weight: 2}]\n  balance: random\n"

func TestDecodePart(t *testing.T) {
	for what, text := range map[string]string{
		"alone":                           wholePool,
		"first":                           wholePool + "other: {a: b}\n",
		"between":                         "other:\n  pool: x\n" + wholePool + "more: [1, 2]\n",
		"after a list at the same indent": "other:\n- pool: x\n- y\n" + wholePool,
		"with comments":                   "# pool: it's {\nother: 1 # pool\n\n" + strings.Replace(wholePool, "  balance", "# it's\n\n  # pool:\n  balance", 1) + "# pool:\n",
		"with CRLF":                       strings.ReplaceAll("other: {a: b}\n"+wholePool+"more: 1\n", "\n", "\r\n"),
		"brackets on their own lines":     "pool: {\n  endpoints: [\n    \"127.0.0.1:3000\", {address: \"127.0.0.1:3001\", weight: 2}\n],\n  balance: random\n}\nother: 1\n",
		"in quotes":                       "other: 1\n" + strings.Replace(wholePool, "pool", `"pool"`, 1),
		"JSON":                            `{"other": 1, "pool": {"endpoints": ["127.0.0.1:3000", {"address": "127.0.0.1:3001", "weight": 2}], "balance": "random"}}`,
		"a document's mark":               "---\n" + wholePool + "other: 1\n...\n",
		"an alias":                        "other: &p random\n" + strings.Replace(wholePool, "random", "*p", 1),
		"merged":                          "base: &b\n  " + strings.ReplaceAll(strings.TrimSpace(wholePool), "\n", "\n  ") + "\n<<: *b\n",
		"beside another inside a bracket": "other: {\npool: x\n}\n" + wholePool,
		"beside one inside of a text":     "other: \"it\npool: is\"\n" + wholePool,
		"beside one inside of a block":    "other: |\n  it's {\n  pool: x\n" + wholePool,
		"among what is faulty":            "other: {}\nmore: 99999999999999999999999\n" + wholePool,
		"among what could not be known":   "listeners:\n  a: {b: 1, b: 2}\n" + wholePool,
	} {
		t.Run(what, func(t *testing.T) {
			var s partSpec
			if err := config.DecodePart("p.yaml", []byte(text), &s); err != nil {
				t.Fatal(err)
			}
			if s.Pool.Balance != "random" || len(s.Pool.Endpoints) != 2 || s.Pool.Endpoints[1].Weight != 2 || s.Pool.Timeout != 5_000_000_000 {
				t.Errorf("%+v", s.Pool)
			}
		})
	}
}

// What is wrong in the part itself is told as of the whole file, and so is what is no YAML.
func TestDecodePartRefuses(t *testing.T) {
	for what, c := range map[string]struct{ text, want string }{
		"a value":       {"other: 1\n\n# x\npool:\n  endpoints: [a]\n  balance: randm\nmore: {}\n", `p.yaml:6:12: pool.balance: expected one of round_robin, random, least_request, found "randm"`},
		"a rule":        {"other: 1\npool: {endpoints: []}\n", "p.yaml:2:19: pool.endpoints: a pool needs at least one endpoint"},
		"a missing key": {"other: 1\npool: {balance: random}\n", "p.yaml:2:7: pool.endpoints: required key is missing"},
		"twice":         {wholePool + wholePool, "p.yaml:4:1: pool: duplicate key"},
		"no YAML":       {"other: [\n" + wholePool, "p.yaml:"},
		"nothing":       {"", "p.yaml:1:1: the file is empty"},
		"a scalar":      {"pool", "p.yaml:1:1: "},
	} {
		t.Run(what, func(t *testing.T) {
			err := config.DecodePart("p.yaml", []byte(c.text), new(partSpec))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	var s partSpec
	if err := config.DecodePart("p.yaml", []byte("other: 1\n"), &s); err != nil || s.Pool.Balance != "round_robin" {
		t.Errorf("without the key: %+v, %v", s, err)
	}
}

// A part of a large document costs what looking at its lines does.
func BenchmarkDecodePart(b *testing.B) {
	var text strings.Builder
	text.WriteString("routes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "- {match: {path: /api/v%d/}, cluster: c%d}\n", i, i%100)
	}
	text.WriteString(wholePool)
	data := []byte(text.String())
	for _, c := range []struct{ name, first string }{{"lines", ""}, {"parsed", "mark: \"a\n  b\"\n"}} {
		b.Run(c.name, func(b *testing.B) {
			text := append([]byte(c.first), data...)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := config.DecodePart("p.yaml", text, new(partSpec)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
