package gateway

import (
	"strings"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/sys"
)

// openAll opens the listening sockets of one listener, one for each loop, and says which address they got. TCP sockets
// share the address (SO_REUSEPORT), so that each has an accept queue of its own; a Unix socket has one queue, which the
// loops share through copies of the descriptor. What was opened is returned also on failure.
func openAll(cfg conn.ListenConfig, loops int, nonblock bool) (fds []int, bound string, err error) {
	path, unix := strings.CutPrefix(cfg.Address, "unix:")
	if unix {
		if err := removeStale(path); err != nil {
			return nil, "", err
		}
	} else if err := alone(cfg.Address); err != nil {
		return nil, "", err
	}
	bound = cfg.Address
	for range loops {
		var fd int
		if unix && len(fds) > 0 {
			fd, err = sys.Dup(fds[0])
		} else {
			fd, bound, err = openOne(cfg, nonblock)
			cfg.Address = bound // the first decides the port where it is 0
		}
		if err != nil {
			return fds, bound, err
		}
		fds = append(fds, fd)
	}
	return fds, bound, nil
}

// alone reports an address that another process listens on. Where that shares the port too, as another Ringway does, the
// kernel would let both in and give each a part of the connections.
func alone(address string) error {
	sa, err := conn.ParseAddress(address)
	if err != nil {
		return err
	}
	fd, err := sys.Listen(&sa, sys.ListenOptions{Backlog: 1})
	if sys.IsNoFamily(err) {
		return nil // OpenListener knows what to do
	}
	if err != nil {
		return err
	}
	return sys.Close(fd)
}

func openOne(cfg conn.ListenConfig, nonblock bool) (int, string, error) {
	fd, addr, err := conn.OpenListener(sys.KernelSockets{}, cfg, nonblock)
	if err != nil || !addr.IsValid() {
		return fd, cfg.Address, err
	}
	return fd, addr.String(), nil
}

// removeStale removes the file of a Unix socket that nobody listens on any more.
func removeStale(path string) error {
	inUse, err := sys.UnixInUse(path)
	if err != nil {
		return err
	}
	if inUse {
		return nil // the bind will say so
	}
	return sys.RemoveSocket(path)
}

func closeSockets(sockets []map[string]int) {
	for _, m := range sockets {
		for _, fd := range m {
			_ = sys.Close(fd)
		}
	}
}
