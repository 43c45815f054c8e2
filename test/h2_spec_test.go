package test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// h2specVersion is the version of h2spec that the tests run.
const h2specVersion = "v2.2.1+incompatible"

var h2specPrograms = &fetched{what: "h2spec " + h2specVersion, packages: []string{"github.com/summerwind/h2spec/cmd/h2spec@" + h2specVersion}}

const h2specConfig = `
listeners:
  web: {address: 127.0.0.1:0, versions: [http2], routes: [{cluster: site}]}
  tls: {address: 127.0.0.1:0, tls: {certificates: [%s]}, routes: [{cluster: site}]}
clusters: {site: {endpoints: [%q]}}
`

// TestH2Spec: all cases of h2spec pass, the strict ones too, over TLS and plain. Plain, the listener speaks nothing but HTTP/2: one
// that speaks both takes a faulty preface for a faulty request of HTTP/1.1, and answers that.
func TestH2Spec(t *testing.T) {
	t.Parallel()
	program := h2specPrograms.program(t, "h2spec")
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
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
