package test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

const grpcWebConfig = `
listeners: {web: {address: 127.0.0.1:0, routes: [{path: /grpc.health.v1.Health/*, cluster: plain, filters: [{grpc_web: {}}]}]}}
clusters: {plain: {endpoints: [%q], version: http2}}
`

// TestH2UpGRPCWeb: clients of gRPC-Web, of either version of HTTP and in both forms, call grpc-go's server.
func TestH2UpGRPCWeb(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		addr, states := serveHealth(t)
		states.SetServingStatus("a.B", healthpb.HealthCheckResponse_NOT_SERVING)
		p := start(t, driver, fmt.Sprintf(grpcWebConfig, addr), options{})
		const (
			service   = "\x00\x00\x00\x00\x05\x0a\x03a.B"
			unknown   = "\x00\x00\x00\x00\x05\x0a\x03c.D"
			serving   = "\x00\x00\x00\x00\x02\x08\x02"
			ok        = "grpc-status: 0\r\n"
			check     = "/grpc.health.v1.Health/Check"
			binary    = "application/grpc-web+proto"
			text      = "application/grpc-web-text+proto"
			lastFrame = "\x80\x00\x00\x00"
		)
		for _, client := range []*http.Client{newClient(t), h2Client(t, nil)} {
			for _, form := range []string{binary, text} {
				a := callWeb(t, client, p.url(check), form, service)
				if !strings.HasPrefix(a.text, serving+lastFrame) || !strings.Contains(a.text, ok) || a.Header.Get("Content-Type") != form {
					t.Errorf("%s: %q, %v", form, a.text, a.Header)
				}
				a = callWeb(t, client, p.url(check), form, unknown)
				if a.Header.Get("Grpc-Status") != "5" && !strings.Contains(a.text, "grpc-status: 5\r\n") {
					t.Errorf("%s, a service that is not known: %q, %v", form, a.text, a.Header)
				}
				if a = callWeb(t, client, p.url("/no.Such/Method"), form, service); a.Header.Get("Grpc-Status") != "12" || a.Header.Get("Content-Type") != form {
					t.Errorf("%s, no route: %v", form, a.Header)
				}
			}
		}
	})
}

// callWeb makes a call and decodes what came.
func callWeb(t *testing.T, client *http.Client, url, form, message string) answer {
	t.Helper()
	inBase64 := strings.Contains(form, "text")
	if inBase64 {
		message = base64.StdEncoding.EncodeToString([]byte(message))
	}
	res, err := client.Post(url, form, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	a := readAnswer(t, res)
	if !inBase64 {
		return a
	}
	decoded := ""
	for rest := a.text; rest != ""; { // each chunk is padded by itself
		n := len(rest)
		if i := strings.IndexByte(rest, '='); i >= 0 {
			n = i/4*4 + 4
		}
		part, err := base64.StdEncoding.DecodeString(rest[:n])
		if err != nil {
			t.Fatalf("%q: %v", a.text, err)
		}
		decoded, rest = decoded+string(part), rest[n:]
	}
	return answer{a.Response, decoded}
}
