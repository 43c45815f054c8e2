package test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTicketsAcrossUpgrades: a client that got its session from one program resumes it in the programs after it, in both versions of
// TLS and no other listener does.
func TestTicketsAcrossUpgrades(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		control := filepath.Join(t.TempDir(), "control")
		listener := fmt.Sprintf("{address: 127.0.0.1:0, routes: [{filters: [{respond: {body: fine}}]}], tls: {certificates: [%s]}}", certs.pair("ec"))
		p := start(t, driver, fmt.Sprintf("listeners:\n  web: %s\n  other: %s\nprocess: {control: %q}", listener, listener, control), options{})
		get := []said{{"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "fine"}}
		ask := func(addr, version, how, file string) bool {
			out := sClient(t, certs, addr, "fine", get, version, how, file)
			if !strings.Contains(out, "fine") {
				t.Fatalf("%s %s: %s", version, how, out)
			}
			return strings.Contains(out, "Reused, TLSv1.")
		}
		sessions := map[string]string{"-tls1_2": filepath.Join(t.TempDir(), "1.2"), "-tls1_3": filepath.Join(t.TempDir(), "1.3")}
		for version, file := range sessions {
			ask(p.addr, version, "-sess_out", file)
		}
		for i := range 3 {
			first := p.worker()
			if out, err := exec.Command(p.cmd.Path, "upgrade", "--control", control).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			eventually(t, func() error {
				if strings.Count(p.log.String(), "this master is a new program") != i+1 {
					return fmt.Errorf("it is not new yet")
				}
				return nil
			})
			if p.worker() == first {
				t.Fatal("the worker is the old one")
			}
			for version, file := range sessions {
				if !ask(p.addr, version, "-sess_in", file) {
					t.Errorf("after %d upgrades a session of %s is not resumed", i+1, version)
				}
				if ask(p.addrs["other"], version, "-sess_in", file) {
					t.Errorf("after %d upgrades another listener resumes a session of %s", i+1, version)
				}
			}
		}
	})
}
