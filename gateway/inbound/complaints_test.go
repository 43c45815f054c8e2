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
	for i := range 3 {
		c.Stream(int64(i), "no path", "stream", i)
		c.Stream(int64(i), "no method", "stream", i)
	}
	c.Stream(complaintEvery, "no path", "stream", 9)
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
		`"stream refused or reset" listener=db reason="no path" stream=0`,
		`"stream refused or reset" listener=db reason="no method" stream=0`,
		`"stream refused or reset" listener=db reason="no path" stream=9 more_since_the_last=2`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
