package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

const testsslConfig = `
listeners:
  intermediate: {address: 127.0.0.1:0, tls: {profile: intermediate, certificates: [%[1]s], hsts: {}}, routes: [{filters: [{respond: {body: fine}}]}]}
  modern: {address: 127.0.0.1:0, tls: {profile: modern, certificates: [%[1]s], hsts: {}}, routes: [{filters: [{respond: {body: fine}}]}]}
`

// testsslSections are what testssl.sh is asked for, by the processes that share the work: it waits more than it computes.
var testsslSections = [][]string{
	{"--protocols", "--fs", "--server-preference", "--server-defaults", "--headers"},
	{"--vulnerable"},
}

// finding is an entry of testssl.sh's report.
type finding struct {
	ID, Severity, Finding string
}

// explained are findings of a severity that fails the test otherwise, and why they do not.
var explained = map[string]string{
	"engine_problem":   "is about this machine's openssl, which has no engines",
	"security_headers": "is about fields such as Content-Security-Policy, which are the site's to set, or a headers filter's",
}

// testsslWants are findings that have to be there, and what they have to say, by profile; "" is for all of them. The names of forward
// secrecy's begin with a P in the versions before 3.2.
var testsslWants = map[string]map[string]string{
	"": {
		"SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered", "TLS1_3": "offered with final",
		"ALPN_HTTP2": "h2", "ALPN": "http/1.1", "PFS": "offered", "PFS_ECDHE_curves": ".*prime256v1.*X25519.*",
		"protocol_negotiated": "Default protocol TLS1.3", "OCSP_stapling": "offered", "cert_ocspRevoked": "not revoked",
		"cert_chain_of_trust": "passed.*", "cert_trust": "Ok via SAN.*", "sessionresumption_ticket": "supported", "HSTS_time": `730 days \(=63072000 seconds\).*`,
		"heartbleed": "not vulnerable.*", "CCS": "not vulnerable.*", "ticketbleed": ".*not vulnerable.*|no session ticket extension", "ROBOT": "not vulnerable.*",
		"secure_client_renego": "not vulnerable.*", "CRIME_TLS": "not vulnerable.*", "BREACH": "not vulnerable.*", "POODLE_SSL": "not vulnerable.*",
		"FREAK": "not vulnerable.*", "DROWN": "not vulnerable.*", "LOGJAM": "not vulnerable.*", "BEAST": "not vulnerable.*",
		"LUCKY13": "not vulnerable.*", "RC4": "not vulnerable.*",
	},
	"intermediate": {
		"TLS1_2": "offered", "secure_renego": "supported", "fallback_SCSV": "no protocol below TLS 1.2 offered", "TLS_session_ticket": "valid for .*",
		"SWEET32":             "not vulnerable.*", // with TLS 1.3 alone it stands there too, but under another test's name (3.0.8)
		"cipherorder_TLSv1_2": "(ECDHE-ECDSA-(AES128-GCM-SHA256|AES256-GCM-SHA384|CHACHA20-POLY1305) ?){3}",
	},
	"modern": {
		"TLS1_2": "not offered", "secure_renego": "not vulnerable|TLS ?1.3 only.*", "fallback_SCSV": "only TLS 1.3 .*",
		"PFS_ciphers": "(TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256) ?){3}",
	},
}

// testsslLeast is how many findings there are at least, of the 90 or so of each profile.
const testsslLeast = 80

// testsslPatience is how long testssl.sh may take, for half a minute's work: it starts hundreds of programs, which a loaded machine is slow at.
const testsslPatience = 5 * time.Minute

// TestTestSSL has testssl.sh look for weaknesses of both profiles. It does so with one driver, for TLS does not know which it is.
func TestTestSSL(t *testing.T) {
	t.Parallel() // it waits
	program := tool(t, "testssl", "testssl.sh")
	certs := newPKI(t)
	p := start(t, "auto", fmt.Sprintf(testsslConfig, publicPair(t, certs)), options{})
	var group sync.WaitGroup
	var mu sync.Mutex
	found := map[string][]finding{}
	profiles := []string{"intermediate", "modern"}
	if raceEnabled {
		profiles = profiles[:1] // it has all of the other's code
	}
	for _, profile := range profiles {
		for _, sections := range testsslSections {
			file := filepath.Join(t.TempDir(), "report.json")
			group.Go(func() {
				all, err := runTestssl(program, p.addrs[profile], certs.file("ca.pem"), file, sections)
				if err != nil {
					t.Errorf("%s %v: %v", profile, sections, err)
				}
				mu.Lock()
				defer mu.Unlock()
				found[profile] = append(found[profile], all...)
			})
		}
	}
	group.Wait()
	for profile, all := range found {
		t.Logf("%s: %d findings", profile, len(all))
		for _, fault := range judge(profile, all) {
			t.Errorf("%s: %s", profile, fault)
		}
	}
}

// runTestssl runs testssl.sh without a network: no names are looked up, and nobody else is asked.
func runTestssl(program, addr, ca, file string, sections []string) ([]finding, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	args := append([]string{"--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", ca, "--jsonfile", file}, sections...)
	ctx, cancel := context.WithTimeout(context.Background(), testsslPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, "localhost:"+port)...)
	cmd.WaitDelay = time.Second // what it started may have its output open still
	// Peers on the same machine answer at once, and the name that it uses for a peer that is not there need not be looked up.
	cmd.Env = append(os.Environ(), "USLEEP_SND=0.01", "USLEEP_REC=0.02", "NXCONNECT=127.0.0.1:0")
	out, ended := cmd.CombinedOutput()
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w, %w: %s", err, ended, tail(string(out), 2000))
	}
	var all []finding
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%w: %s", err, tail(string(text), 2000))
	}
	return all, nil
}

// judge says what is wrong with a profile, by the findings about it.
func judge(profile string, all []finding) (faults []string) {
	if len(all) < testsslLeast {
		faults = append(faults, fmt.Sprintf("%d findings, want %d at least", len(all), testsslLeast))
	}
	said := map[string][]string{}
	for _, f := range all {
		if strings.HasPrefix(f.ID, "FS") {
			f.ID = "P" + f.ID
		}
		said[f.ID] = append(said[f.ID], strings.TrimSpace(f.Finding))
		switch f.Severity {
		case "OK", "INFO", "LOW", "DEBUG":
		default: // MEDIUM, HIGH, CRITICAL; and WARN and FATAL, with which it says that it could not find out
			if explained[f.ID] == "" {
				faults = append(faults, fmt.Sprintf("%s %s: %s", f.Severity, f.ID, f.Finding))
			}
		}
	}
	for _, of := range []string{"", profile} {
		for id, want := range testsslWants[of] {
			if !slices.ContainsFunc(said[id], regexp.MustCompile(`^(?:`+want+`)$`).MatchString) {
				faults = append(faults, fmt.Sprintf("%s: %q, want %q", id, said[id], want))
			}
		}
	}
	return faults
}

// TestTestSSLJudge: what testssl.sh says of a weak server, or of none, is not taken for good.
func TestTestSSLJudge(t *testing.T) {
	for name, all := range map[string][]finding{
		"nothing":     nil,
		"weak":        {{"TLS1", "LOW", "offered (deprecated)"}},
		"vulnerable":  {{"heartbleed", "CRITICAL", "VULNERABLE"}},
		"not looked":  {{"scanProblem", "FATAL", "Can't connect"}},
		"not stapled": {{"OCSP_stapling", "LOW", "not offered"}},
	} {
		faults := strings.Join(judge("modern", all), "\n")
		for _, f := range all {
			if !strings.Contains(faults, f.ID+": ") {
				t.Errorf("%s: %s is no fault of\n%s", name, f.ID, faults)
			}
		}
		if !strings.Contains(faults, fmt.Sprintf("%d findings, want", len(all))) || !strings.Contains(faults, `HSTS_time: [], want`) {
			t.Errorf("%s: what is missing is no fault of\n%s", name, faults)
		}
	}
}

// publicPair is a certificate of the authority's as those on the internet are, with a proof that it is not revoked, as the configuration has it.
func publicPair(t *testing.T, p *pki) string {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(p.file("ca.pem"), p.file("ca.key"))
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	check(err)
	c := &x509.Certificate{SerialNumber: serial.SetBit(serial, 126, 1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, OCSPServer: []string{"http://127.0.0.1:1/"}} // nobody asks it
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Leaf, key.Public(), ca.PrivateKey)
	check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	proof, err := ocsp.CreateResponse(ca.Leaf, ca.Leaf, ocsp.Response{Status: ocsp.Good, SerialNumber: serial,
		ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}, ca.PrivateKey.(*ecdsa.PrivateKey))
	check(err)
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]})...)
	check(os.WriteFile(p.file("public.pem"), chain, 0o600))
	check(os.WriteFile(p.file("public.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	check(os.WriteFile(p.file("public.ocsp"), proof, 0o600))
	return fmt.Sprintf("{cert: %q, key: %q, ocsp: %q}", p.file("public.pem"), p.file("public.key"), p.file("public.ocsp"))
}
