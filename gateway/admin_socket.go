package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
)

// adminSocket is the name of the admin server's socket among those that a master holds. No listener can be called so.
const adminSocket = "(admin)"

// The modes of the admin server's Unix socket: for the owner alone, or for users that the server tells apart.
const (
	adminMode      = 0o600
	adminUsersMode = 0o666
)

// adminListener gets the admin server's socket from who holds sockets, so that an old and a new worker can both have it. It returns
// nil where nobody does: then the server opens its own.
func adminListener(ctx context.Context, a AdminSpec, listen ListenFunc) (net.Listener, error) {
	if listen == nil {
		return nil, nil
	}
	w := Wanted{ListenerKey: ListenerKey{Name: adminSocket, Address: a.Address}, Sockets: 1, Backlog: 128}
	if strings.HasPrefix(a.Address, unixPrefix) { // its file is that of whoever binds it, who alone may open it to others
		if w.Mode = adminMode; len(a.Users) > 0 {
			w.Mode = adminUsersMode
		}
	}
	got, err := listen(ctx, []Wanted{w})
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	var l net.Listener
	for _, s := range got {
		f := os.NewFile(uintptr(s.Fd), "admin")
		if l == nil {
			l, err = net.FileListener(f)
		}
		f.Close() // a listener has a copy
	}
	if err != nil {
		if l != nil {
			l.Close()
		}
		return nil, fmt.Errorf("admin: %w", err)
	}
	return l, nil
}

// stopAccepting ends the admin server before the gateway drains.
func (g *Gateway) stopAccepting() {
	if a := g.current().admin; a != nil {
		g.stopAdmin(a)
	}
}
