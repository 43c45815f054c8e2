package test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// serveHealth starts grpc-go's server with its health service.
func serveHealth(t *testing.T, options ...grpc.ServerOption) (addr string, states *health.Server) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	states = health.NewServer()
	healthpb.RegisterHealthServer(s, states)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(s.Stop)
	return ln.Addr().String(), states
}

const grpcHealthConfig = `
listeners: {web: {address: 127.0.0.1:0, routes: [{path: /plain, cluster: plain}, {cluster: encrypted}]}}
clusters:
  plain: {endpoints: [%q], version: http2, health_check: {grpc: {service: a.B, interval: 50ms, timeout: 20s}, panic_threshold: off}}
  encrypted: {endpoints: [%q], version: http2, tls: {ca: %q, server_name: localhost}, health_check: {grpc: {interval: 50ms, timeout: 20s}, panic_threshold: off}}
`

// TestH2UpGRPCHealth: endpoints go by what grpc-go's health service says of a service, or of the server.
func TestH2UpGRPCHealth(t *testing.T) {
	certs := newPKI(t)
	creds, err := credentials.NewServerTLSFromFile(certs.file("ec.pem"), certs.file("ec.key"))
	if err != nil {
		t.Fatal(err)
	}
	eachDriver(t, func(t *testing.T, driver string) {
		one, plain := serveHealth(t)
		two, encrypted := serveHealth(t, grpc.Creds(creds))
		plain.SetServingStatus("a.B", healthpb.HealthCheckResponse_SERVING)
		p := start(t, driver, fmt.Sprintf(grpcHealthConfig, one, two, certs.file("ca.pem")), options{})
		available := func(cluster string, want float64) {
			t.Helper()
			eventually(t, func() error {
				if n := p.metric(`ringway_cluster_endpoints_available{cluster="` + cluster + `"`); n != want {
					return fmt.Errorf("%v endpoints of %s are available, want %v", n, cluster, want)
				}
				return nil
			})
		}
		for cluster, set := range map[string]func(healthpb.HealthCheckResponse_ServingStatus){
			"plain":     func(s healthpb.HealthCheckResponse_ServingStatus) { plain.SetServingStatus("a.B", s) },
			"encrypted": func(s healthpb.HealthCheckResponse_ServingStatus) { encrypted.SetServingStatus("", s) },
		} {
			available(cluster, 1)
			set(healthpb.HealthCheckResponse_NOT_SERVING)
			available(cluster, 0)
			set(healthpb.HealthCheckResponse_SERVING)
			available(cluster, 1)
		}
		if !strings.Contains(p.log.String(), "NOT_SERVING") {
			t.Errorf("the log does not say why:\n%s", p.log)
		}
	})
}
