package arch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// generator is a program of ours that writes files which are kept in the repository. It reads and writes in its working
// folder.
type generator struct {
	dir     string // where the go:generate line stands
	program string
	reads   []string
	writes  []string
}

// generators are all of them; generatorsAreChecked sees to it.
var generators = []generator{
	{dir: "gateway/filter/table", program: "gateway/filter/table/gen", reads: []string{"filters.txt"}, writes: []string{"zfilters.go"}},
	{dir: "docs/gen", program: "docs/gen", writes: []string{"../reference.md"}},
}

// generatorsAreChecked demands that every go:generate line is in the table above.
func generatorsAreChecked(tree []pkg) (faults []string) {
	known := map[string]bool{}
	for _, g := range generators {
		known[g.dir] = true
	}
	for _, p := range tree {
		for _, f := range p.files {
			for _, group := range f.syntax.Comments {
				for _, c := range group.List {
					if strings.HasPrefix(c.Text, "//go:generate ") && !known[p.ImportPath] {
						faults = append(faults, fmt.Sprintf("%s: no test compares what this generates; add it to generators", f.at(c)))
					}
				}
			}
		}
	}
	return faults
}

// TestGeneratedFiles runs every generator in a folder of its own and compares what it writes with what is kept.
func TestGeneratedFiles(t *testing.T) {
	for _, g := range generators {
		t.Run(g.dir, func(t *testing.T) {
			// A folder of the same depth, so that paths that lead upwards stay inside.
			top := t.TempDir()
			work := filepath.Join(top, g.dir)
			if err := os.MkdirAll(work, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range g.reads {
				if err := os.WriteFile(filepath.Join(work, name), read(t, filepath.Join(root(t), g.dir, name)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			generate(t, g, work)
			for _, name := range g.writes {
				kept := read(t, filepath.Join(root(t), g.dir, name))
				if made := read(t, filepath.Join(work, name)); !bytes.Equal(kept, made) {
					t.Errorf("%s differs from what %s writes at %s; run: go generate ./%s",
						filepath.Join(g.dir, name), g.program, difference(kept, made), g.dir)
				}
			}
		})
	}
}

func generate(t *testing.T, g generator, work string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "gen")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./"+g.program)
	build.Dir = root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(binary)
	run.Dir = work
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// difference names the first line that differs.
func difference(kept, made []byte) string {
	a, b := strings.Split(string(kept), "\n"), strings.Split(string(made), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d, %q instead of %q", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("its end, %d lines instead of %d", len(a), len(b))
}

func TestDifferenceNamesTheLine(t *testing.T) {
	for _, c := range []struct{ kept, made, want string }{
		{"a\nb", "a\nc", `line 2, "b" instead of "c"`},
		{"a", "a\nc", "its end, 1 lines instead of 2"},
	} {
		if got := difference([]byte(c.kept), []byte(c.made)); got != c.want {
			t.Errorf("%q and %q: %s, want %s", c.kept, c.made, got, c.want)
		}
	}
}
