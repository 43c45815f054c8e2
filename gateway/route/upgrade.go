package route

import (
	"bytes"
	"strings"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/proto/header"
)

// Upgrades are the protocols that requests may go over to, as the field Upgrade names them. An empty list allows none; nil says
// nothing.
type Upgrades []string

// Validate reports what is no protocol, or never a tunnel's.
func (u *Upgrades) Validate(c *config.Check) {
	seen := map[string]bool{}
	for i, p := range *u {
		name, version, versioned := strings.Cut(p, "/")
		at := c.At(i)
		switch low := strings.ToLower(p); {
		case low == "h2c" || low == "http":
			at.Errorf("%s is HTTP, which is between the gateway and each of its peers; it cannot be passed through", p)
		case !header.ValidName([]byte(name)) || versioned && !header.ValidName([]byte(version)):
			at.Errorf("%q is not a protocol as the field Upgrade names it: websocket, or name/version", p)
		case seen[low]:
			at.Errorf("%s stands here twice", p)
		default:
			seen[low] = true
		}
	}
}

// Choose gives the first protocol that the message's Upgrade fields offer and u allows, as it is written there; nil for none
// (RFC 9110 §7.8).
func (u Upgrades) Choose(f *header.Fields) []byte {
	if len(u) == 0 {
		return nil
	}
	for i := range f.Len() {
		if f.Field(i).ID != header.Upgrade {
			continue
		}
		_, list, ok := f.At(i)
		for ok && len(list) > 0 {
			var p []byte
			p, list, _ = bytes.Cut(list, []byte{','})
			if p = bytes.TrimSpace(p); u.Allows(p) {
				return p
			}
		}
	}
	return nil
}

// Allows reports whether requests may go over to a protocol. Its case does not matter (RFC 9110 §7.8).
func (u Upgrades) Allows(protocol []byte) bool {
	for _, p := range u {
		if header.EqualFold(protocol, p) {
			return true
		}
	}
	return false
}
