package process

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/ringway/ringway/sys"
)

// Privileges are what a worker may do, by name. The zero value leaves it what its master may.
type Privileges struct {
	User  string // name or number; empty for the master's
	Group string // name or number; empty for the user's
	// NoNewPrivileges keeps it from gaining any by running a set-user-ID program.
	NoNewPrivileges bool
	// DropCapabilities takes all capabilities away but those in Keep, as NET_RAW.
	DropCapabilities bool
	Keep             []string
}

// resolve looks names up.
func (p Privileges) resolve() (sys.Privileges, error) {
	out := sys.Privileges{NoNewPrivs: p.NoNewPrivileges, DropCapabilities: p.DropCapabilities}
	for _, name := range p.Keep {
		c, err := sys.ParseCapability(name)
		if err != nil {
			return out, err
		}
		out.Keep = append(out.Keep, c)
	}
	if p.User == "" && p.Group == "" {
		return out, nil
	}
	if p.User == "" {
		return out, fmt.Errorf("group %s needs a user", p.Group)
	}
	out.User = true
	u, err := user.Lookup(p.User)
	if err != nil {
		if u, err = user.LookupId(p.User); err != nil {
			return out, fmt.Errorf("user %s: %w", p.User, err)
		}
	}
	if out.UID, err = number(u.Uid); err != nil {
		return out, err
	}
	if out.GID, err = number(u.Gid); err != nil {
		return out, err
	}
	if p.Group == "" {
		ids, err := u.GroupIds()
		if err != nil {
			return out, fmt.Errorf("groups of %s: %w", p.User, err)
		}
		for _, id := range ids {
			n, err := number(id)
			if err != nil {
				return out, err
			}
			out.Groups = append(out.Groups, n)
		}
		return out, nil
	}
	g, err := user.LookupGroup(p.Group)
	if err != nil {
		if g, err = user.LookupGroupId(p.Group); err != nil {
			return out, fmt.Errorf("group %s: %w", p.Group, err)
		}
	}
	out.GID, err = number(g.Gid)
	return out, err // with a group that was named, no other
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err
}
