package header

import (
	"strings"
	"testing"
)

func TestTrailerRules(t *testing.T) {
	for _, c := range []struct {
		names                string
		restricted, metadata bool
	}{
		{"ETag accept-ranges X-App content-digest Content-Digest grpc-status contents", true, true},
		{"X-Request-Id retry-after traceparent Location Server Origin Authorization Set-Cookie Cookie Via Date WWW-Authenticate Vary", false, true},
		{"Content-Type content-encoding Content-Range content-sha Content- content-digests Cache-Control Range If-Match", false, true},
		{"X-Forwarded-For x-forwarded-foo X-Forwarded-Host Forwarded X-Real-IP", false, true},
		{"Host Content-Length transfer-encoding Trailer Connection Proxy-Connection Keep-Alive TE Upgrade HTTP2-Settings", false, false},
	} {
		for name := range strings.FieldsSeq(c.names) {
			id := Lookup([]byte(name))
			if r, m := Restricted.Allows(id, []byte(name)), Metadata.Allows(id, []byte(name)); r != c.restricted || m != c.metadata {
				t.Errorf("%s: %v, %v", name, r, m)
			}
		}
	}
}

func TestTrailerRuleOfHead(t *testing.T) {
	for value, want := range map[string]TrailerRule{
		"application/grpc": Metadata, "Application/gRPC+proto": Metadata, "application/grpc;a=b": Metadata, "": Restricted, "text/html": Restricted,
		"application/grp": Restricted, "application/grpc-web": Restricted, "application/grpcx": Restricted,
	} {
		var f Fields
		f.Add("Content-Type", []byte(value))
		if got := f.TrailerRule(); got != want {
			t.Errorf("%q: %d", value, got)
		}
	}
	if new(Fields).TrailerRule() != Restricted {
		t.Error("a head without a media type")
	}
}
