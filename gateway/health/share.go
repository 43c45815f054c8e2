package health

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a part of a whole in percent; Off is none at all.
type Share float64

// Off is a share that nothing reaches.
const Off Share = -1

// String writes it as in the file.
func (s Share) String() string {
	if s == Off {
		return "off"
	}
	return strconv.FormatFloat(float64(s), 'f', -1, 64) + "%"
}

// MarshalText writes what UnmarshalText reads.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 12.5% or off.
func (s *Share) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*s = Off
		return nil
	}
	number, ok := strings.CutSuffix(string(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || strings.Trim(number, "0123456789.") != "" || v > 100 {
		return fmt.Errorf("expected %s, found %q", s.Expects(), text)
	}
	*s = Share(v)
	return nil
}

// Expects says what a share looks like.
func (*Share) Expects() string { return "a share such as 20%, 0% to 100%, or off" }

// of is the share as a part of one.
func (s Share) of() float64 { return float64(s) / 100 }
