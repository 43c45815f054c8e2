package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
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
	awaitListener(t, addr)
	return addr
}

// grpcLanes are how many rounds run at a time, each against a server of its own: the case orca_oob, which waits for three seconds,
// changes what its server tells everybody.
const grpcLanes = 5

// grpcConfig gives a listener and a cluster to each of some servers, and to one over TLS.
func grpcConfig(certs *pki, plain []string, encrypted string) string {
	var listeners, clusters strings.Builder
	for i, addr := range plain {
		fmt.Fprintf(&listeners, "  lane%d: {address: 127.0.0.1:0, routes: [{cluster: lane%d}]}\n", i, i)
		fmt.Fprintf(&clusters, "  lane%d: {endpoints: [%q], version: http2}\n", i, addr)
	}
	return fmt.Sprintf("listeners:\n%s  tls: {address: 127.0.0.1:0, tls: {certificates: [%s]}, routes: [{cluster: encrypted}]}\n"+
		"clusters:\n%s  encrypted: {endpoints: [%q], version: auto, tls: {ca: %q, server_name: localhost}}\n",
		&listeners, certs.pair("ec"), &clusters, encrypted, certs.file("ca.pem"))
}

// TestH2UpGRPCInterop: the cases of grpc-go's interop client pass against its server behind the gateway, twenty times where nothing may
// be skipped: some rounds beside each other, the others after them.
func TestH2UpGRPCInterop(t *testing.T) {
	t.Parallel()
	client, server := grpcInterop(t)
	certs := newPKI(t)
	rounds := 1
	if os.Getenv("CI_REQUIRE_TOOLS") != "" && !raceEnabled { // races show in one round as well
		rounds = 20
	}
	driversAtOnce(t, func(t *testing.T, driver string) {
		plain := make([]string, min(rounds, grpcLanes))
		for i := range plain {
			plain[i] = serveGRPC(t, server)
		}
		encrypted := serveGRPC(t, server, "-use_tls", "-tls_cert_file", certs.file("ec.pem"), "-tls_key_file", certs.file("ec.key"))
		p := start(t, driver, grpcConfig(certs, plain, encrypted), options{})
		begun := time.Now()
		var lanes sync.WaitGroup
		lane := func(name string, rounds int, args ...string) {
			lanes.Go(func() {
				for i := range rounds {
					if n := grpcRound(t, client, p.addrs[name], args...); n != len(grpcCases) {
						t.Errorf("%s, round %d: %d of %d cases pass", name, i+1, n, len(grpcCases))
						return
					}
				}
			})
		}
		for i := range plain {
			lane(fmt.Sprint("lane", i), rounds/len(plain))
		}
		lane("tls", 1, "-use_tls", "-use_test_ca", "-ca_file", certs.file("ca.pem"), "-server_host_override", "localhost")
		lanes.Wait()
		t.Logf("%d rounds of %d cases in %v", rounds+1, len(grpcCases), time.Since(begun).Round(time.Second))
	})
}
