package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// suiteGRPC is the gateway between gRPC clients and servers, over HTTP/2 without TLS on both sides.
const suiteGRPC = "grpc"

// groupGRPC is the heading of its table.
const groupGRPC = "gRPC unary, plain HTTP/2 on both sides"

// grpcMethod is what is called: grpc-go's own health service, with an empty request.
const grpcMethod = "/grpc.health.v1.Health/Check"

// grpcLoads are calls, which h2load makes.
func grpcLoads() []load {
	return []load{
		{name: "grpc-16x32", group: groupGRPC, label: "16 connections × 32 calls", path: grpcMethod, conns: 16, streams: 32, calls: true},
		{name: "grpc-64x1", group: groupGRPC, label: "64 connections × 1 call", path: grpcMethod, conns: 64, streams: 1, calls: true},
	}
}

// callArgs have h2load send an empty message of gRPC.
func (b *bench) callArgs() ([]string, error) {
	file := filepath.Join(b.data, "message")
	if err := os.WriteFile(file, make([]byte, 5), 0o600); err != nil {
		return nil, err
	}
	return []string{"-d", file, "-H", "content-type: application/grpc", "-H", "te: trailers"}, nil
}

// grpcPeers are the proxies of the comparison that pass gRPC on.
func grpcPeers(o options) []peer {
	var all []peer
	for _, p := range allPeers(o) {
		switch {
		case p.subject:
			p.config = strings.Replace(p.config, `endpoints: ["{{.Origin}}"]`, `endpoints: ["{{.Origin}}"], version: http2`, 1)
		case p.name == "nginx":
			p.config = strings.Replace(p.config, "listen {{.Listen}};", "listen {{.Listen}} http2;\n    http2_max_concurrent_streams 128;\n    http2_max_requests 1000000000;", 1)
			start, end := strings.Index(p.config, "proxy_pass"), strings.Index(p.config, "    }\n  }\n}")
			p.config = p.config[:start] + "grpc_pass grpc://site;\n      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      grpc_set_header X-Forwarded-Proto $scheme;\n" + p.config[end:]
		case p.name == "haproxy":
			p.config = strings.Replace(p.config, "bind {{.Listen}}", "bind {{.Listen}} proto h2", 1)
			p.config = strings.Replace(p.config, "server origin {{.Origin}}", "server origin {{.Origin}} proto h2", 1)
		case p.name == "caddy":
			p.config = strings.Replace(p.config, "protocols h1", "protocols h1 h2c", 1)
			p.config = strings.Replace(p.config, "reverse_proxy {{.Origin}}", "reverse_proxy h2c://{{.Origin}}", 1)
		default:
			continue
		}
		p.name += "-grpc"
		p.check = checkGRPC
		all = append(all, p)
	}
	return all
}

// checkGRPC makes a call with grpc-go's own client.
func checkGRPC(ctx context.Context, _ *bench, addr string) error {
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = healthpb.NewHealthClient(c).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

// startGRPC serves calls with grpc-go from this process until the end, outside of what is measured.
func startGRPC(_ context.Context, b *bench) (addr string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := grpc.NewServer(grpc.MaxConcurrentStreams(1000))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	b.originName = "grpc-go " + grpc.Version
	b.atExit = append(b.atExit, server.Stop)
	return listener.Addr().String(), nil
}
