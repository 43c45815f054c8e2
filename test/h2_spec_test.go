package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// h2specVersion is the version of h2spec that the tests run.
const h2specVersion = "v2.2.1+incompatible"

// h2specBuild is h2spec, built once a run.
var h2specBuild struct {
	once sync.Once
	dir  string
	err  error
}

// h2spec gives the program, which the Go module proxy brings.
func h2spec(t *testing.T) string {
	t.Helper()
	b := &h2specBuild
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "ringway-h2spec-"); b.err != nil {
			return
		}
		cmd := exec.Command("go", "install", "github.com/summerwind/h2spec/cmd/h2spec@"+h2specVersion)
		cmd.Dir = b.dir
		cmd.Env = append(os.Environ(), "GOBIN="+b.dir, "GOFLAGS=", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	switch {
	case b.err == nil:
	case os.Getenv("CI_REQUIRE_TOOLS") != "":
		t.Fatalf("h2spec %s cannot be built, and CI_REQUIRE_TOOLS is set: %v", h2specVersion, b.err)
	default:
		t.Skipf("h2spec %s cannot be fetched from the Go module proxy and built: %v", h2specVersion, b.err)
	}
	return filepath.Join(b.dir, "h2spec")
}

const h2specConfig = `
listeners:
  web: {address: 127.0.0.1:0, versions: [http2], routes: [{cluster: site}]}
  tls: {address: 127.0.0.1:0, tls: {certificates: [%s]}, routes: [{cluster: site}]}
clusters: {site: {endpoints: [%q]}}
`

// TestH2Spec: all cases of h2spec pass, the strict ones too, over TLS and plain. Plain, the listener speaks nothing but HTTP/2: one
// that speaks both takes a faulty preface for a faulty request of HTTP/1.1, and answers that.
func TestH2Spec(t *testing.T) {
	program := h2spec(t)
	certs := newPKI(t)
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, fmt.Sprintf(h2specConfig, certs.pair("ec"), newMirror(t).addr), options{})
		for listener, args := range map[string][]string{"web": nil, "tls": {"-t", "-k"}} {
			host, port, _ := net.SplitHostPort(p.addrs[listener])
			out, err := exec.Command(program, append(args, "--strict", "-h", host, "-p", port, "-o", "10")...).CombinedOutput()
			text := string(out)
			if i := strings.Index(text, "Failures:"); i >= 0 {
				text = text[i:]
			}
			if err != nil || !strings.Contains(text, "146 tests, 146 passed, 0 skipped, 0 failed") {
				t.Errorf("%s: %v\n%s", listener, err, tail(text, 4000))
			}
		}
	})
}
