package buf

import (
	"slices"
	"testing"
)

type held struct {
	name  byte
	place Holder[held]
}

// TestHolders puts holders in and takes them out at every place of the order.
func TestHolders(t *testing.T) {
	for out := range 3 {
		var o Holders[held]
		all := []*held{{name: 'a'}, {name: 'b'}, {name: 'c'}}
		for _, h := range all {
			if o.Remove(&h.place); h.place.Holds() {
				t.Error("it stands in no order yet")
			}
			o.Add(&h.place, h)
		}
		o.Remove(&all[out].place)
		o.Add(&all[out].place, all[out]) // something was taken: it is last
		want := append(slices.Delete(slices.Clone(all), out, out+1), all[out])
		for _, w := range want {
			got := o.Longest()
			if got != w || !got.place.Holds() {
				t.Fatalf("%c comes before %c", got.name, w.name)
			}
			o.Remove(&got.place)
			o.Remove(&got.place)
		}
		if o.Longest() != nil || o.last != nil {
			t.Error("somebody is left")
		}
	}
}
