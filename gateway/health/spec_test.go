package health

import (
	"testing"
	"time"

	"github.com/ringway/ringway/config"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"icmp: {}", ""},
		{"icmp: {interval: 100ms, timeout: 50ms, unhealthy_after: 5, healthy_after: 1, size: 1000, dont_fragment: true, tos: 184, sockets: datagram}", ""},
		{"{tcp: {}, http: {path: '/a?b=c', host: example.com, expect: [200, 3xx, 400-404, {from: 500, to: 501}]}, panic_threshold: 33.3%, initial: unhealthy}", ""},
		{"{icmp: {}, panic_threshold: off}", ""},
		{"grpc: {service: a.B, interval: 5s}", ""},
		{"grpc: {host: 'a b'}", `h.yaml:1:14: grpc.host: "a b" is no host`},
		{"window: 50", "h.yaml:1:1: nothing is checked: give icmp, tcp, http or grpc"},
		{"{icmp: {}, window: 5}", "h.yaml:1:20: window: window is 10 to 10000 results, not 5"},
		{"{icmp: {interval: 1ms}}", "h.yaml:1:19: icmp.interval: interval is 10ms to 1h0m0s, not 1ms"},
		{"{tcp: {timeout: 2m}}", "h.yaml:1:17: tcp.timeout: timeout is 1ms to 1m0s, not 2m0s"},
		{"{http: {unhealthy_after: 0}}", "h.yaml:1:26: http.unhealthy_after: unhealthy_after is 1 to 1000, not 0"},
		{"{http: {healthy_after: 1001}}", "h.yaml:1:24: http.healthy_after: healthy_after is 1 to 1000, not 1001"},
		{"{icmp: {size: 8}}", "h.yaml:1:15: icmp.size: size is 16 to 65507 bytes, not 8"},
		{"{icmp: {tos: 256}}", "h.yaml:1:14: icmp.tos: tos is 0 to 255, not 256"},
		{"{icmp: {sockets: row}}", `h.yaml:1:18: icmp.sockets: expected one of auto, raw, datagram, found "row"; did you mean "raw"?`},
		{"{http: {path: healthz}}", `h.yaml:1:15: http.path: a path begins with / and has no space, no # and nothing but ASCII, not as "healthz"`},
		{"{http: {path: \"/a b\"}}", `h.yaml:1:15: http.path: a path begins with / and has no space, no # and nothing but ASCII, not as "/a b"`},
		{"{http: {host: \"a\\r\\nb\"}}", `h.yaml:1:15: http.host: "a\r\nb" is no host`},
		{"{http: {expect: []}}", "h.yaml:1:17: http.expect: give at least one status"},
		{"{http: {expect: [100]}}", "h.yaml:1:18: http.expect[0]: a range of statuses is within 200 to 599 and has its lower end first, not 100 to 100"},
		{"{http: {expect: [204-200]}}", "h.yaml:1:18: http.expect[0]: a range of statuses is within 200 to 599 and has its lower end first, not 204 to 200"},
		{"{http: {expect: [ok]}}", `h.yaml:1:18: http.expect[0]: expected a status such as 200, a class such as 2xx, or a range such as 200-204, found "ok"`},
		{"{icmp: {}, panic_threshold: 101%}", `h.yaml:1:29: panic_threshold: expected a share such as 20%, 0% to 100%, or off, found "101%"`},
		{"{icmp: {}, panic_threshold: 1e1%}", `h.yaml:1:29: panic_threshold: expected a share such as 20%, 0% to 100%, or off, found "1e1%"`},
	} {
		got := ""
		if err := config.Decode("h.yaml", []byte(test.text), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	s := new(Spec)
	if err := config.Decode("h.yaml", []byte("{icmp: {}, http: {expect: [2xx, 304]}}"), s); err != nil {
		t.Fatal(err)
	}
	if s.Initial != Healthy || s.Panic != 0 || s.Window != 100 || s.TCP != nil || len(s.kinds()) != 2 || s.kinds()[0].kind() != ICMP {
		t.Errorf("%+v", s)
	}
	if p := s.ICMP; p.Interval.Std() != time.Second || p.UnhealthyAfter != 3 || p.HealthyAfter != 2 || p.Size != 56 {
		t.Errorf("%+v", p)
	}
	for status, want := range map[int]bool{200: true, 299: true, 300: false, 304: true, 404: false} {
		got := false
		for i := range s.HTTP.Expect {
			got = got || s.HTTP.Expect[i].has(status)
		}
		if got != want {
			t.Errorf("%d is expected: %v", status, got)
		}
	}
}

func TestShareText(t *testing.T) {
	for _, text := range []string{"off", "0%", "12.5%", "100%"} {
		var s Share
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != text {
			t.Errorf("%s became %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "%", "10", "-1%", "1%%", "nan%", "100.1%", "1.2.3%"} {
		if s := new(Share); s.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q became %v", text, *s)
		}
	}
}

func TestWeighingValidate(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"weight_by: latency", ""},
		{"{weight_by: latency_and_loss, least_share: 1%, latency_slack: 50us, loss_limit: 100%, settle: 0%, hold: 1s}", ""},
		{"least_share: 0%", "w.yaml:1:14: least_share: least_share is 1% to 100%, not 0%: who is to get nothing is drained, or unhealthy"},
		{"latency_slack: 2m", "w.yaml:1:16: latency_slack: latency_slack is 1µs to 1m, not 2m0s"},
		{"loss_limit: off", "w.yaml:1:13: loss_limit: loss_limit is 1% to 100%, not off"},
		{"settle: off", "w.yaml:1:9: settle: settle is 0% to 100%, not off: then nothing would ever change"},
		{"hold: 2h", "w.yaml:1:7: hold: hold is at most 1h, not 2h0m0s"},
	} {
		got := ""
		if err := config.Decode("w.yaml", []byte(test.text), new(Weighing)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}
