package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// grpcVersion is the version of grpc-go whose interop client and server the tests run.
const grpcVersion = "v1.83.2"

var interopPrograms = &fetched{what: "grpc-go " + grpcVersion,
	packages: []string{"google.golang.org/grpc/interop/client@" + grpcVersion, "google.golang.org/grpc/interop/server@" + grpcVersion}}

// grpcInterop gives the two programs.
func grpcInterop(t *testing.T) (client, server string) {
	t.Helper()
	return interopPrograms.program(t, "client"), interopPrograms.program(t, "server")
}

// grpcCases are the cases that need nothing but a client and a server.
var grpcCases = []string{"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message", "special_status_message",
	"custom_metadata", "unimplemented_method", "unimplemented_service", "orca_per_rpc", "orca_oob"}

// orcaConfig is what the two cases about load reports have the client do with them.
const orcaConfig = `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`

// grpcRound runs all cases against an address, side by side, and returns how many passed.
func grpcRound(t *testing.T, client, addr string, args ...string) int {
	host, port, _ := net.SplitHostPort(addr)
	var passed atomic.Int32
	var group sync.WaitGroup
	for _, name := range grpcCases {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
			defer cancel()
			all := append([]string{"-server_host", host, "-server_port", port, "-test_case", name}, args...)
			if name == "orca_per_rpc" || name == "orca_oob" {
				all = append(all, "-service_config_json", orcaConfig)
			}
			if out, err := exec.CommandContext(ctx, client, all...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, tail(string(out), 2000))
				return
			}
			passed.Add(1)
		})
	}
	group.Wait()
	return int(passed.Load())
}

// serveGRPC starts the interop server.
func serveGRPC(t *testing.T, server string, args ...string) (addr string) {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	background(t, exec.Command(server, append([]string{"-port", port}, args...)...))
	eventually(t, func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	return addr
}

const grpcConfig = `
listeners:
  web: {address: 127.0.0.1:0, routes: [{cluster: plain}]}
  tls: {address: 127.0.0.1:0, tls: {certificates: [%s]}, routes: [{cluster: encrypted}]}
clusters:
  plain: {endpoints: [%q], version: http2}
  encrypted: {endpoints: [%q], version: auto, tls: {ca: %q, server_name: localhost}}
`

// TestH2UpGRPCInterop: the cases of grpc-go's interop client pass against its server behind the gateway, twenty times in a row where
// nothing may be skipped.
func TestH2UpGRPCInterop(t *testing.T) {
	client, server := grpcInterop(t)
	certs := newPKI(t)
	rounds := 1
	if os.Getenv("CI_REQUIRE_TOOLS") != "" && !raceEnabled { // races show in one round as well
		rounds = 20
	}
	plain := serveGRPC(t, server)
	encrypted := serveGRPC(t, server, "-use_tls", "-tls_cert_file", certs.file("ec.pem"), "-tls_key_file", certs.file("ec.key"))
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, fmt.Sprintf(grpcConfig, certs.pair("ec"), plain, encrypted, certs.file("ca.pem")), options{})
		begun := time.Now()
		for i := range rounds {
			if n := grpcRound(t, client, p.addrs["web"]); n != len(grpcCases) {
				t.Fatalf("round %d: %d of %d cases pass", i+1, n, len(grpcCases))
			}
		}
		if n := grpcRound(t, client, p.addrs["tls"], "-use_tls", "-use_test_ca", "-ca_file", certs.file("ca.pem"), "-server_host_override", "localhost"); n != len(grpcCases) {
			t.Errorf("over TLS %d of %d cases pass", n, len(grpcCases))
		}
		t.Logf("%d rounds of %d cases in %v", rounds+1, len(grpcCases), time.Since(begun).Round(time.Second))
	})
}
