package health

import (
	"strings"
	"testing"
)

// TestVerdict: a row of results (+ good, - failed) and the state after each of them (H, U).
func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		name            string
		initial         State
		unhealthy, good int
		results, want   string
	}{
		{"three in a row, then two", Healthy, 3, 2, "+---+++", "HHHUUHH"},
		{"a good one between begins anew", Healthy, 3, 2, "--+--+---", "HHHHHHHHU"},
		{"a failure between begins anew", Healthy, 1, 3, "-++-++-+++", "UUUUUUUUUH"},
		{"each decides", Healthy, 1, 1, "-+-+", "UHUH"},
		{"it stays what it is", Healthy, 2, 2, "++++", "HHHH"},
		{"unhealthy at first: the first good one decides", Unhealthy, 3, 5, "+---", "HHHU"},
		{"unhealthy at first, and proved to be", Unhealthy, 3, 2, "-+-++", "UUUUH"},
		{"a recovery takes its time when it has been healthy before", Unhealthy, 1, 3, "+-+++", "HUUUH"},
		{"many", Healthy, 5, 1, "----+----+-----", "HHHHHHHHHHHHHHU"},
	} {
		v, p := verdict{healthy: test.initial == Healthy}, &Pace{UnhealthyAfter: test.unhealthy, HealthyAfter: test.good}
		var got strings.Builder
		for _, r := range test.results {
			before := v.healthy
			if changed := v.observe(r == '+', p); changed != (before != v.healthy) {
				t.Errorf("%s: after %s changed is %v", test.name, got.String(), changed)
			}
			if v.healthy {
				got.WriteByte('H')
			} else {
				got.WriteByte('U')
			}
		}
		if got.String() != test.want {
			t.Errorf("%s: %s gives %s, want %s", test.name, test.results, got.String(), test.want)
		}
	}
}
