package inbound

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/ringway/ringway/observe/metrics"
)

func TestComplaintsAreSparse(t *testing.T) {
	var out strings.Builder
	c := Complaints{Log: slog.New(slog.NewTextHandler(&out, nil)), Listener: "db"}
	for i := range 100 {
		c.Warn(int64(i), metrics.BadProxyHeader, "err", "x")
	}
	c.Warn(5, metrics.UntrustedProxy)
	c.Warn(complaintEvery, metrics.BadProxyHeader)
	c.Warn(2*complaintEvery, metrics.BadProxyHeader)
	var got []string
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(line, "msg=")
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		`"connection refused or broken off" listener=db end=bad_proxy_header err=x`,
		`"connection refused or broken off" listener=db end=untrusted_proxy`,
		`"connection refused or broken off" listener=db end=bad_proxy_header more_since_the_last=99`,
		`"connection refused or broken off" listener=db end=bad_proxy_header`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
