package gateway

import (
	"strings"

	"github.com/ringway/ringway/config"
)

// ProcessSpec is the processes that the gateway is made of. It takes effect when the master starts.
type ProcessSpec struct {
	User    string `yaml:"user" doc:"Whom workers run as: name or number; default: the master's user. Listening sockets are the master's, so ports below 1024 need no more."`
	Group   string `yaml:"group" doc:"Their group, and no other; default: all groups of the user."`
	PIDFile string `yaml:"pid_file" doc:"File for the master's number."`
	Control string `yaml:"control" doc:"Unix socket by which ringway upgrade reaches the master; default: ringway.sock in $XDG_RUNTIME_DIR, or in /run for root."`
	Survive bool   `yaml:"survive" doc:"Workers go on when their master dies, and the next master adopts them by the control socket."`
}

// Validate reports what a master cannot do.
func (p *ProcessSpec) Validate(c *config.Check) {
	if p.Group != "" && p.User == "" {
		c.At("group").Errorf("group needs a user")
	}
	if strings.HasPrefix(p.Control, unixPrefix) {
		c.At("control").Suggest(strings.TrimPrefix(p.Control, unixPrefix), "control is a path, without unix:")
	}
}
