package filter

import (
	"errors"
	"slices"
	"testing"

	"github.com/ringway/ringway/gateway/exchange"
)

// step notes when it is passed, in both directions.
type step struct {
	name   string
	log    *[]string
	stops  bool
	failed error
}

func (s step) Handle(_ *exchange.Exchange, next Next) error {
	*s.log = append(*s.log, "in "+s.name)
	if s.stops {
		return s.failed
	}
	err := next.Handle(nil)
	*s.log = append(*s.log, "out "+s.name)
	return err
}

type end struct{ log *[]string }

func (e end) Handle(*exchange.Exchange) error {
	*e.log = append(*e.log, "end")
	return nil
}

func TestChainOrder(t *testing.T) {
	refused := errors.New("refused")
	for _, test := range []struct {
		stops bool
		err   error
		want  []string
	}{
		{false, nil, []string{"in a", "in b", "in c", "end", "out c", "out b", "out a"}},
		{true, nil, []string{"in a", "in b", "out a"}},
		{true, refused, []string{"in a", "in b", "out a"}},
	} {
		var log []string
		c := Chain{Filters: []Filter{step{"a", &log, false, nil}, step{"b", &log, test.stops, test.err}, step{"c", &log, false, nil}}, End: end{&log}}
		if err := c.Handle(nil); err != test.err || !slices.Equal(log, test.want) {
			t.Errorf("got %q, %v; want %q, %v", log, err, test.want, test.err)
		}
	}
	var log []string
	if err := (&Chain{End: end{&log}}).Handle(nil); err != nil || !slices.Equal(log, []string{"end"}) {
		t.Errorf("an empty chain: %q, %v", log, err)
	}
}
