package gateway

import (
	"strings"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/sys"
)

// openAll opens the listening sockets of one listener, one for each loop, and says which address they got. TCP sockets
// share the address (SO_REUSEPORT), so that each has an accept queue of its own; a Unix socket has one queue, which the
// loops share through copies of the descriptor. What was opened is returned also on failure.
func (g *Gateway) openAll(cfg conn.ListenConfig, loops int) (fds []int, bound string, err error) {
	path, unix := strings.CutPrefix(cfg.Address, "unix:")
	if unix {
		if err := removeStale(path); err != nil {
			return nil, "", err
		}
	} else if err := g.alone(cfg.Address); err != nil {
		return nil, "", err
	}
	bound = cfg.Address
	for range loops {
		var fd int
		if unix && len(fds) > 0 {
			fd, err = g.machine.Sockets.Dup(fds[0])
		} else {
			fd, bound, err = g.openOne(cfg)
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
func (g *Gateway) alone(address string) error {
	sa, err := conn.ParseAddress(address)
	if err != nil {
		return err
	}
	fd, err := g.machine.Sockets.Listen(&sa, sys.ListenOptions{Backlog: 1})
	if sys.IsNoFamily(err) {
		return nil // OpenListener knows what to do
	}
	if err != nil {
		return err
	}
	return g.machine.Sockets.Close(fd)
}

func (g *Gateway) openOne(cfg conn.ListenConfig) (int, string, error) {
	fd, addr, err := conn.OpenListener(g.machine.Sockets, cfg, g.machine.NonBlocking)
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

func (g *Gateway) closeSockets(sockets []map[string]int) {
	for _, m := range sockets {
		for _, fd := range m {
			_ = g.machine.Sockets.Close(fd)
		}
	}
}
