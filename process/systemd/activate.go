package systemd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ringway/ringway/sys"
)

// firstFd is where the sockets begin (SD_LISTEN_FDS_START).
const firstFd = 3

// maxFds bounds how many we believe in.
const maxFds = 4096

// Socket is a descriptor that was opened for us. Several may share a name.
type Socket struct {
	Name string
	Fd   int
}

// ErrActivation says that what the environment tells of sockets is not so.
var ErrActivation = errors.New("socket activation")

// Activated takes the sockets that LISTEN_FDS speaks of, if LISTEN_PID says that it speaks to us. From now on they are
// the caller's and closed on exec. It may be called once: whoever does forgets the variables, so that no child believes
// them.
func Activated(env Getenv, pid int) ([]Socket, error) {
	if env("LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil
	}
	n, err := strconv.Atoi(env("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxFds {
		return nil, fmt.Errorf("%w: LISTEN_FDS is %q", ErrActivation, env("LISTEN_FDS"))
	}
	var names []string
	if v := env("LISTEN_FDNAMES"); v != "" {
		if names = strings.Split(v, ":"); len(names) != n {
			return nil, fmt.Errorf("%w: %d names for %d descriptors", ErrActivation, len(names), n)
		}
	}
	var all []Socket
	for i := range n {
		s := Socket{Name: "unknown", Fd: firstFd + i} // the name of what was given none, as systemd has it
		if names != nil {
			s.Name = names[i]
		}
		if !sys.IsSocket(s.Fd) {
			return nil, fmt.Errorf("%w: descriptor %d is no socket", ErrActivation, s.Fd)
		}
		if err := sys.KeepOnExec(s.Fd, false); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrActivation, err)
		}
		all = append(all, s)
	}
	return all, nil
}
