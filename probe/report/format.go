package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ringway/ringway/probe"
)

// Duration writes a time with three digits that count: 812ns, 1.24µs, 35.1ms, 2.00s.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + "µs"
	case d < time.Second:
		return digits(float64(d)/1e6) + "ms"
	}
	return digits(d.Seconds()) + "s"
}

func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Percent writes a share. A loss is never rounded to none, nor to all while something came.
func Percent(share float64) string {
	switch p := share * 100; {
	case p == 0:
		return "0%"
	case p == 100:
		return "100%"
	case p < 0.01:
		return "<0.01%"
	case p > 99.99:
		return ">99.99%"
	case p < 10:
		return strconv.FormatFloat(p, 'f', 2, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	}
}

// Losses lists why probes were not answered, and what else was seen, as "timeout 3, late 1": nothing if all went well.
func Losses(c *probe.Counters) string {
	var parts []string
	for _, o := range probe.Outcomes() {
		if n := c.Of(o); n > 0 && o != probe.Answered {
			parts = append(parts, words(o.String(), n))
		}
	}
	for _, x := range probe.Extras() {
		if n := c.Extra(x); n > 0 {
			parts = append(parts, words(x.String(), n))
		}
	}
	return strings.Join(parts, ", ")
}

func words(name string, n uint64) string {
	return strings.ReplaceAll(name, "_", " ") + " " + strconv.FormatUint(n, 10)
}

// Title is a target's name, with its address where the name is not the address.
func Title(t *probe.Target) string {
	if !t.Addr.IsValid() || t.Name == t.Addr.String() {
		return t.Name
	}
	return t.Name + " (" + t.Addr.String() + ")"
}

// Trouble says in words what went wrong with a target last; nothing if nothing did.
func Trouble(t *probe.TargetStats) string {
	switch {
	case t.Err != nil:
		return t.Err.Error()
	case t.Damage != nil:
		return DamageText(t.Damage)
	case t.Reason == "":
		return ""
	case t.Reporter.IsValid():
		return t.Reason + ", says " + t.Reporter.String()
	}
	return t.Reason
}

// DamageText says which byte and bit of an answer were wrong.
func DamageText(d *probe.Damage) string {
	if d.Bit < 0 {
		return fmt.Sprintf("answer of %d bytes instead of %d", d.GotLength, d.SentLength)
	}
	sum := "the checksum tells"
	if d.ChecksumOK {
		sum = "the checksum was right"
	}
	return fmt.Sprintf("answer damaged at byte %d, bit %d (%#02x sent, %#02x came; %d bits in all; %s)", d.Byte, d.Bit, d.Sent, d.Got, d.Bits, sum)
}
