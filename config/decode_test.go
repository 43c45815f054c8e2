package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const goodFile = `
listeners:
  web:
    address: 127.0.0.1:8080
    routes:
      - host: example.com
        path: ^/api/
        filters:
          - rate_limit: {rate: 100/s, burst: 200}
          - headers: {set: {X-Env: prod, "X.Y": "1"}}
        cluster: api
      - cluster: site
  db: {address: "127.0.0.1:5432", protocol: tcp, timeout: off, port: 0x1538, ratio: 1}
clusters:
  site: {endpoints: ["127.0.0.1:3000"]}
  api:
    endpoints: ["127.0.0.1:3001", {address: "127.0.0.1:3002", weight: 2}]
    connect: {tries: 5}
admin: {address: 127.0.0.1:9900}
runtime: {loops: 4}
trusted: [10.0.0.0/8, "::ffff:192.0.2.1"]
labels: {red: "yes"}
`

func TestDecodeFillsValuesAndDefaults(t *testing.T) {
	var s testSpec
	if err := Decode("gateway.yaml", []byte(goodFile), &s); err != nil {
		t.Fatal(err)
	}
	web, db, api := s.Listeners["web"], s.Listeners["db"], s.Clusters["api"]
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"protocol by default", web.Protocol, testProtocol("http")},
		{"protocol from the file", db.Protocol, testProtocol("tcp")},
		{"timeout by default", web.Timeout.String(), "30s"},
		{"timeout off", db.Timeout, Duration(0)},
		{"size by default", web.MaxBody.String(), "10MiB"},
		{"unexported field", web.compiled, 7},
		{"hexadecimal port", db.Port, uint16(5432)},
		{"whole number as float", db.Ratio, 1.0},
		{"regexp", web.Routes[0].Path.String(), "^/api/"},
		{"lifted default", web.Routes[1].Share, float32(1)},
		{"rate", web.Routes[0].Filters[0].Limit.Rate.PerSecond(), 100.0},
		{"header", web.Routes[0].Filters[1].Headers.Set, map[string]string{"X-Env": "prod", "X.Y": "1"}},
		{"short endpoint", api.Endpoints[0], testEndpoint{"127.0.0.1:3001", 1}},
		{"long endpoint", api.Endpoints[1], testEndpoint{"127.0.0.1:3002", 2}},
		{"parent's default over the child's, and a key over both", api.Connect, testTimeouts{Duration(1e9), 5}},
		{"default of an absent struct", s.Clusters["site"].Connect, testTimeouts{Duration(1e9), 3}},
		{"struct inside the root", s.Runtime, testRuntime{Driver: "auto", Loops: 4}},
		{"address", s.Admin.Address.Port(), uint16(9900)},
		{"mapped prefix", s.Trusted[1].String(), "192.0.2.1"},
		{"enum key", s.Labels["red"], "yes"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestDecodeKeepsTheCallersDefaults(t *testing.T) {
	shared := &testAdmin{Pprof: true}
	s := testSpec{Admin: shared, Labels: map[testColor]string{"red": "old"}, Runtime: testRuntime{Driver: "epoll"}}
	text := "listeners: {a: {address: x}}\nadmin: {address: \"127.0.0.1:1\"}\nlabels: {green: new}\nruntime: {pin: true}\n"
	if err := Decode("f", []byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if s.Runtime != (testRuntime{Driver: "epoll", Pin: true}) {
		t.Errorf("runtime %+v: a struct is merged with its default", s.Runtime)
	}
	if !s.Admin.Pprof || shared.Address.IsValid() {
		t.Errorf("admin %+v, shared %+v: a pointer's default is copied before it is changed", s.Admin, shared)
	}
	if len(s.Labels) != 1 || s.Labels["green"] != "new" {
		t.Errorf("labels %v: a map replaces its default", s.Labels)
	}
}

func TestMergeKeysAndAliases(t *testing.T) {
	text := `
listeners:
  a: &base {address: "a:1", timeout: 5s, routes: &r [{cluster: c}]}
  b: {<<: *base, address: "b:1"}
  c: {<<: [{timeout: 7s}, *base], address: "c:1", routes: *r}
clusters: {c: {endpoints: ["x:1"]}}
`
	var s testSpec
	if err := Decode("f", []byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if b := s.Listeners["b"]; b.Address != "b:1" || b.Timeout.String() != "5s" || len(b.Routes) != 1 {
		t.Errorf("b = %+v", b)
	}
	if c := s.Listeners["c"]; c.Address != "c:1" || c.Timeout.String() != "7s" || len(c.Routes) != 1 {
		t.Errorf("c = %+v: the first mapping of a merged list wins", c)
	}
}

func TestErrorsAreBoundedAndInOrder(t *testing.T) {
	var b strings.Builder
	b.WriteString("listeners: {a: {address: x}}\n")
	for i := range 80 {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	var errs Errors
	if err := Decode("f", []byte(b.String()), new(testSpec)); !errors.As(err, &errs) {
		t.Fatalf("got %v", err)
	}
	if len(errs) != maxErrors {
		t.Fatalf("%d errors, want %d", len(errs), maxErrors)
	}
	for i, e := range errs[:maxErrors-1] {
		if e.Line != i+2 || e.Path != fmt.Sprintf("key%d", i) {
			t.Errorf("error %d is %v", i, e)
		}
	}
	if want := "f:51:1: 31 more problems from here on"; errs[maxErrors-1].Error() != want {
		t.Errorf("last is %q, want %q", errs[maxErrors-1], want)
	}
	var one *Error
	if !errors.As(error(errs), &one) || one.Path != "key0" {
		t.Errorf("errors.As found %v", one)
	}
}

// TestMapOrderNeverShows decodes the same wrong file often: the validator above walks Go maps.
func TestMapOrderNeverShows(t *testing.T) {
	var b strings.Builder
	b.WriteString("listeners:\n")
	for i := range 20 {
		fmt.Fprintf(&b, "  l%d: {address: x, protocol: udp, routes: [{cluster: ap}, {cluster: zzzzz}]}\n", i)
	}
	b.WriteString("clusters: {api: {endpoints: [\"a:1\"]}, app: {endpoints: [\"a:1\"]}}\n")
	first := fmt.Sprint(Decode("f", []byte(b.String()), new(testSpec)))
	if !strings.Contains(first, `unknown cluster "ap"; did you mean "api"?`) {
		t.Fatal(first)
	}
	for range 20 {
		if again := fmt.Sprint(Decode("f", []byte(b.String()), new(testSpec))); again != first {
			t.Fatalf("first\n%s\nthen\n%s", first, again)
		}
	}
}

func TestAliasesAreBounded(t *testing.T) {
	type tree struct {
		Next []tree `yaml:"next"`
	}
	var b strings.Builder
	b.WriteString("next:\n- &a0 {next: []}\n")
	for i := range 30 {
		fmt.Fprintf(&b, "- &a%d {next: [%s]}\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	err := Decode("f", []byte(b.String()), new(tree))
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(errs[0].Problem, "more than 100000 values larger") {
		t.Fatalf("got %v", err)
	}
	deep := strings.Repeat("{next: [", 200) + strings.Repeat("]}", 200)
	if err := Decode("f", []byte(deep), new(tree)); err == nil || !strings.Contains(err.Error(), "nest more than 100 deep") {
		t.Fatalf("got %v", err)
	}
}
