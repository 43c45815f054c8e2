package config

import (
	"encoding"
	"net/netip"
	"testing"
	"time"
)

// textUnit is what every unit of this package does with text.
type textUnit interface {
	unit
	encoding.TextUnmarshaler
	encoding.TextMarshaler
}

var unitSamples = []struct {
	into       textUnit
	text, want string // want as written again; empty for an error
	suggestion string
}{
	{new(Duration), "2s", "2s", ""},
	{new(Duration), "150ms", "150ms", ""},
	{new(Duration), "120s", "2m", ""},
	{new(Duration), "2h", "2h", ""},
	{new(Duration), "1h0m5s", "1h0m5s", ""},
	{new(Duration), "90m", "1h30m", ""},
	{new(Duration), "0", "off", ""},
	{new(Duration), "off", "off", ""},
	{new(Duration), "0s", "off", ""},
	{new(Duration), "", "", ""},
	{new(Duration), "2 s", "", "2s"},
	{new(Duration), "2d", "", "48h"},
	{new(Duration), "10 minutes", "", "10m"},
	{new(Duration), "99999999999999h", "", ""},
	{new(Duration), "5 parsecs", "", ""},
	{new(Size), "0", "0", ""},
	{new(Size), "1", "1", ""},
	{new(Size), "1024", "1KiB", ""},
	{new(Size), "1500B", "1500", ""},
	{new(Size), "1GB", "1000000000", ""},
	{new(Size), "3TiB", "3TiB", ""},
	{new(Size), "9223372036854775807", "9223372036854775807", ""},
	{new(Size), "9223372036854775808", "", ""},
	{new(Size), "8388608TiB", "", ""},
	{new(Size), "1.5GiB", "", ""},
	{new(Size), "KiB", "", ""},
	{new(Size), "4k", "", "4KiB"},
	{new(Size), "4 mb", "", "4MB"},
	{new(Size), "4 bytes", "", "4B"},
	{new(Rate), "100/s", "100/s", ""},
	{new(Rate), "10/m", "10/m", ""},
	{new(Rate), "5000/h", "5000/h", ""},
	{new(Rate), "10/minute", "", "10/m"},
	{new(Rate), "10", "", "10/s"},
	{new(Rate), "+10/s", "", ""},
	{new(Rate), "/s", "", ""},
	{new(Rate), "99999999999/s", "", ""},
	{new(Auto), "auto", "auto", ""},
	{new(Auto), "4", "4", ""},
	{new(Auto), "-4", "", ""},
	{new(Auto), "0x10", "", ""},
	{new(Auto), "Auto", "", "auto"},
	{new(Regexp), "^a.c$", "^a.c$", ""},
	{new(Regexp), "(?=a)", "", ""},
	{new(Prefix), "10.0.0.0/8", "10.0.0.0/8", ""},
	{new(Prefix), "10.1.2.3", "10.1.2.3", ""},
	{new(Prefix), "::ffff:10.0.0.0/104", "10.0.0.0/8", ""},
	{new(Prefix), "2001:db8::/32", "2001:db8::/32", ""},
	{new(Prefix), "fe80::1%eth0", "", ""},
	{new(Prefix), "10.0.0.0/33", "", ""},
	{new(Prefix), "192.168.1.5/24", "", "192.168.1.0/24"},
}

func TestUnitsReadAndWriteText(t *testing.T) {
	for _, c := range unitSamples {
		err := c.into.UnmarshalText([]byte(c.text))
		if c.want == "" {
			if e, ok := err.(*Error); !ok || e.Problem == "" || e.Suggestion != c.suggestion {
				t.Errorf("%T %q: got %#v, want an error that suggests %q", c.into, c.text, err, c.suggestion)
			}
			continue
		}
		text, _ := c.into.MarshalText()
		if err != nil || string(text) != c.want {
			t.Errorf("%T %q: got %q, %v, want %q", c.into, c.text, text, err, c.want)
		}
		if err := c.into.UnmarshalText(text); err != nil {
			t.Errorf("%T %q: what was written is not read: %v", c.into, text, err)
		}
	}
}

func TestUnitsGiveTheirValues(t *testing.T) {
	if d := Duration(2e9).Std(); d != 2*time.Second {
		t.Error(d)
	}
	if s := Size(64 << 10); s.Bytes() != 65536 || s.String() != "64KiB" {
		t.Error(s)
	}
	if r := (Rate{Events: 30, Per: time.Minute}); r.PerSecond() != 0.5 {
		t.Error(r)
	}
	if r := (Rate{}); r.PerSecond() != 0 || r.String() != "" {
		t.Error(r)
	}
	if Auto(0).Or(7) != 7 || Auto(3).Or(7) != 3 {
		t.Error("Auto.Or")
	}
	var p Prefix
	if err := p.UnmarshalText([]byte("10.0.0.0/8")); err != nil || !p.Contains(netip.MustParseAddr("10.9.9.9")) || (Prefix{}).String() != "" {
		t.Error(p, err)
	}
	if (Regexp{}).String() != "" {
		t.Error("the zero Regexp is not empty")
	}
}
