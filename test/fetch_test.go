package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// fetched are programs that the Go module proxy brings, built once a run.
type fetched struct {
	what     string
	packages []string // each with its version
	build
}

// allFetched are those that the tests use.
var allFetched = []*fetched{h2specPrograms, pebblePrograms, interopPrograms}

// program gives one of the programs. Where it cannot be had, the test says so, and is skipped if that is allowed.
func (f *fetched) program(t testing.TB, name string) string {
	t.Helper()
	f.once.Do(func() {
		if f.dir, f.err = os.MkdirTemp("", "ringway-fetched-"); f.err != nil {
			return
		}
		cmd := exec.Command("go", append([]string{"install"}, f.packages...)...)
		cmd.Dir = f.dir
		cmd.Env = append(os.Environ(), "GOBIN="+f.dir, "GOFLAGS=", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			f.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	switch {
	case f.err == nil:
	case os.Getenv("CI_REQUIRE_TOOLS") != "":
		t.Fatalf("%s cannot be built, and CI_REQUIRE_TOOLS is set: %v", f.what, f.err)
	default:
		t.Skipf("%s cannot be fetched from the Go module proxy and built: %v", f.what, f.err)
	}
	return filepath.Join(f.dir, name)
}
