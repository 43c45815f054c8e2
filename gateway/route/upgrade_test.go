package route

import (
	"bytes"
	"testing"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/proto/header"
)

func TestValidateUpgrades(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"{upgrades: [websocket, foo/2.1], cluster: c}", ""},
		{"{upgrades: [], cluster: c}", ""},
		{"{upgrades: [h2c], cluster: c}", "r.yaml:1:13: upgrades[0]: h2c is HTTP, which is between the gateway and each of its peers; it cannot be passed through"},
		{"{upgrades: ['a b'], cluster: c}", `r.yaml:1:13: upgrades[0]: "a b" is not a protocol as the field Upgrade names it: websocket, or name/version`},
		{"{upgrades: [a/], cluster: c}", `r.yaml:1:13: upgrades[0]: "a/" is not a protocol as the field Upgrade names it: websocket, or name/version`},
		{"{upgrades: [a, A], cluster: c}", "r.yaml:1:16: upgrades[1]: A stands here twice"},
	} {
		got := ""
		if err := config.Decode("r.yaml", []byte(test.text), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

func TestChooseAllocatesNothing(t *testing.T) {
	u := Upgrades{"websocket", "foo"}
	var f header.Fields
	f.AddID(header.Upgrade, []byte("bar, baz/1"))
	f.AddID(header.Upgrade, []byte("x ,\tFoo, websocket"))
	if got := string(u.Choose(&f)); got != "Foo" {
		t.Errorf("chose %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { u.Choose(&f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	f.DelID(header.Upgrade)
	if got := u.Choose(&f); got != nil {
		t.Errorf("chose %q of fields that were removed", got)
	}
	if got := (Upgrades{}).Choose(&f); got != nil {
		t.Errorf("chose %q of nothing", got)
	}
}

// FuzzChoose: whatever stands in the fields, what is chosen stands in them and is allowed.
func FuzzChoose(f *testing.F) {
	for _, s := range []string{"websocket", "h2c, WebSocket", ",, foo/2 ,", "foo/2,websocket", "\t websocket\t", "web socket", "foo/2;q=1"} {
		f.Add([]byte(s), []byte("bar"))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		u := Upgrades{"websocket", "foo/2"}
		var fields header.Fields
		fields.AddID(header.Upgrade, one)
		fields.AddID(header.Upgrade, other)
		got := u.Choose(&fields)
		if got == nil {
			for _, all := range [][]byte{one, other} {
				for p := range bytes.SplitSeq(all, []byte(",")) {
					if u.Allows(bytes.TrimSpace(p)) {
						t.Errorf("%q was not chosen of %q, %q", p, one, other)
					}
				}
			}
			return
		}
		if !u.Allows(got) || !bytes.Contains(one, got) && !bytes.Contains(other, got) {
			t.Errorf("chose %q of %q, %q", got, one, other)
		}
	})
}
