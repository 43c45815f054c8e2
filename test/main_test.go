package test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ringway/ringway/cli"
	"github.com/ringway/ringway/gateway"
)

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){
		"ringway":          func() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"ping-peer":        pingPeer,
		"name-origins":     nameOrigins,
		"without-io-uring": withoutUring,
	})
}

// atOnce is how many of the tests that call t.Parallel run at a time, unless -parallel says so. It is more than the machine has
// processors, for they wait most of the time: for a timeout, for an authority, for a pool to give back what nobody uses. With the race
// detector they wait less.
func atOnce() int {
	if raceEnabled {
		return max(4, runtime.GOMAXPROCS(0))
	}
	return max(8, runtime.GOMAXPROCS(0))
}

// suite removes what the tests built.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		_ = flag.Set("test.parallel", strconv.Itoa(atOnce())) // a number that is good
	}
	if name, value, _ := strings.Cut(quickExit, "="); os.Getenv(name) == "" {
		_ = os.Setenv(name, value) // for all that is started
	}
	code := s.m.Run()
	made := []string{madePKI.dir}
	for _, b := range builds {
		made = append(made, b.dir)
	}
	for _, f := range allFetched {
		made = append(made, f.dir)
	}
	for _, dir := range made {
		if dir != "" {
			_ = os.RemoveAll(dir) // what is left is in the temporary folder
		}
	}
	return code
}

// build is the binary, made once a run.
type build struct {
	once sync.Once
	dir  string
	err  error
}

// builds are the binary as it is shipped, and with the race detector.
var builds = map[bool]*build{false: {}, true: {}}

// binary builds the program; watched asks for the race detector if the tests have it.
func binary(t testing.TB, watched bool) string {
	t.Helper()
	race := raceEnabled && watched
	b := builds[race]
	b.once.Do(func() { b.make(race) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, "ringway")
}

func (b *build) make(race bool) {
	if b.dir, b.err = os.MkdirTemp("", "ringway-e2e-"); b.err != nil {
		return
	}
	args := []string{"build", "-o", b.dir}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/ringway/ringway/cmd/ringway")...).CombinedOutput()
	if err != nil {
		b.err = fmt.Errorf("go build: %w\n%s", err, out)
	}
}

// eachDriver runs f once with each driver of the loops, one after the other.
func eachDriver(t *testing.T, f func(t *testing.T, driver string)) {
	for _, driver := range []string{"uring", "epoll"} {
		if only := os.Getenv("RINGWAY_DRIVER"); only != "" && only != driver {
			continue
		}
		t.Run(driver, func(t *testing.T) {
			requireDriver(t, driver)
			f(t, driver)
		})
	}
}

// driversAtOnce runs f with each driver at the same time, for what waits more than it works. It returns before f does: what f needs is
// given back by t.Cleanup and not by defer.
func driversAtOnce(t *testing.T, f func(t *testing.T, driver string)) {
	t.Helper()
	eachDriver(t, func(t *testing.T, driver string) {
		t.Parallel()
		f(t, driver)
	})
}

// requireDriver skips where the kernel's policy forbids io_uring, and for no other reason.
func requireDriver(t *testing.T, driver string) {
	t.Helper()
	_, _, err := gateway.ChooseDriver(gateway.DriverName(driver), slog.New(slog.DiscardHandler))
	switch {
	case err == nil:
	case os.Getenv("CI_REQUIRE_URING") != "":
		t.Fatalf("CI_REQUIRE_URING is set: %v", err)
	default:
		t.Skip(err)
	}
}

// tool finds a program that package brings.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	switch {
	case err == nil:
	case os.Getenv("CI_REQUIRE_TOOLS") != "":
		t.Fatalf("%s is not installed (package %s), and CI_REQUIRE_TOOLS is set", name, pkg)
	default:
		t.Skipf("%s is not installed; install the package %s", name, pkg)
	}
	return path
}
