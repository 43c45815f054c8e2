// Command gen writes zfilters.go, the table of filters, from filters.txt.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"os"
	"strings"
	"text/template"
)

type entry struct{ Key, Package, Field, Doc string }

var table = template.Must(template.New("").Parse(`// Code generated from filters.txt by gen; DO NOT EDIT.

package table

import (
	"github.com/ringway/ringway/gateway/filter"
{{- range .}}
	"github.com/ringway/ringway/gateway/filter/{{.Package}}"
{{- end}}
)

// Entry is one filter of a route in the configuration: exactly one of its keys.
type Entry struct {
	_ struct{} ` + "`config:\"oneof\"`" + `
{{range .}}
	{{.Field}} *{{.Package}}.Spec ` + "`yaml:\"{{.Key}}\" doc:\"{{.Doc}}\"`" + `
{{- end}}
}

// Names are the filters' keys.
var Names = []string{ {{range .}}"{{.Key}}", {{end}} }

// Name is the key of the filter that e holds.
func (e *Entry) Name() string {
	switch {
{{- range .}}
	case e.{{.Field}} != nil:
		return "{{.Key}}"
{{- end}}
	}
	return ""
}

// Build makes the filter for one loop.
func (e *Entry) Build() filter.Filter {
	switch {
{{- range .}}
	case e.{{.Field}} != nil:
		return e.{{.Field}}.New()
{{- end}}
	}
	panic("table: empty entry passed validation")
}

// Answers reports whether the filter answers every request itself.
func (e *Entry) Answers() bool {
	switch {
{{- range .}}
	case e.{{.Field}} != nil:
		return e.{{.Field}}.Answers()
{{- end}}
	}
	return false
}
`))

func main() {
	log.SetFlags(0)
	src, err := os.ReadFile("filters.txt")
	if err != nil {
		log.Fatal(err)
	}
	var entries []entry
	for i, line := range strings.Split(string(src), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 {
			log.Fatalf("filters.txt:%d: want key, package and sentence with tabs between", i+1)
		}
		field := ""
		for _, part := range strings.Split(f[0], "_") {
			field += strings.ToUpper(part[:1]) + part[1:]
		}
		entries = append(entries, entry{f[0], f[1], field, f[2]})
	}
	var out bytes.Buffer
	if err := table.Execute(&out, entries); err != nil {
		log.Fatal(err)
	}
	code, err := format.Source(out.Bytes())
	if err != nil {
		log.Fatal(fmt.Errorf("%w\n%s", err, out.Bytes()))
	}
	if err := os.WriteFile("zfilters.go", code, 0o644); err != nil {
		log.Fatal(err)
	}
}
