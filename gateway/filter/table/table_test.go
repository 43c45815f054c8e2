package table

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestGenerated runs the generator and compares: the list and the table must not drift apart.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	list, err := os.ReadFile("filters.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "filters.txt"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	gen := filepath.Join(dir, "gen")
	if out, err := exec.Command("go", "build", "-o", gen, "./gen").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(gen)
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, _ := os.ReadFile(filepath.Join(dir, "zfilters.go"))
	if got, _ := os.ReadFile("zfilters.go"); string(got) != string(want) {
		t.Error("zfilters.go is not what the generator makes of filters.txt; run go generate")
	}
	if err := os.WriteFile(filepath.Join(dir, "filters.txt"), []byte("no tabs here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run = exec.Command(gen)
	run.Dir = dir
	if out, err := run.CombinedOutput(); err == nil || !strings.Contains(string(out), "filters.txt:1") {
		t.Errorf("a malformed list: %v, %s", err, out)
	}
}

// TestEntries: every filter of the list can be built, is found by its name, and has its folder's README.
func TestEntries(t *testing.T) {
	typ := reflect.TypeFor[Entry]()
	if typ.NumField() != len(Names)+1 {
		t.Fatalf("%d fields for %d names", typ.NumField(), len(Names))
	}
	for i, name := range Names {
		var e Entry
		v := reflect.ValueOf(&e).Elem().Field(i + 1)
		v.Set(reflect.New(v.Type().Elem()))
		if d, ok := v.Interface().(interface{ SetDefaults() }); ok {
			d.SetDefaults()
		}
		if e.Name() != name || e.Build() == nil {
			t.Errorf("entry %d is named %q, want %q", i, e.Name(), name)
		}
		if e.Answers() != (name == "respond") {
			t.Errorf("%s answers: %v", name, e.Answers())
		}
		folder := filepath.Base(reflect.TypeOf(e).Field(i + 1).Type.Elem().PkgPath())
		if _, err := os.Stat(filepath.Join("..", folder, "README.md")); err != nil {
			t.Error(err)
		}
	}
	if (&Entry{}).Name() != "" || (&Entry{}).Answers() {
		t.Error("an empty entry is something")
	}
}
