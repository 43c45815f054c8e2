package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/sys"
)

// Access says who may use the API.
type Access struct {
	// Token has to come with each request over TCP (Authorization: Bearer). Where there is none, the API changes nothing, and
	// leaves out what is not for everybody on the machine.
	Token config.Secret
	// Users may use a Unix socket, by their numbers, beside root and the gateway's own user.
	Users []uint32
}

// peerKey is where a request's context has who is on the other end of a Unix socket.
type peerKey struct{}

// peer is who connected: for TCP, nobody knows.
type peer struct {
	unix bool
	uid  uint32
	err  error
}

// withPeer notes who is on the other end of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	var p peer
	if u, ok := c.(*net.UnixConn); ok {
		p.unix = true
		var who sys.Credentials
		who, p.err = sys.PeerCredentials(u)
		p.uid = who.UID
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// need is what a route asks of who uses it.
type need uint8

const (
	nothing  need = iota // probes and metrics
	reading              // the token, if there is one
	changing             // the token, without which nobody gets in
)

// permit says why a request is refused, or nil.
func (a *Access) permit(r *http.Request, n need) *Refusal {
	p, _ := r.Context().Value(peerKey{}).(peer)
	if p.unix {
		if p.err == nil && (p.uid == 0 || p.uid == uint32(os.Geteuid()) || slices.Contains(a.Users, p.uid)) {
			return nil
		}
		return Refuse(http.StatusForbidden, "forbidden", "only root, the gateway's own user and those in admin.users may use this socket")
	}
	switch {
	case n == nothing, a.Token == "" && n == reading:
		return nil
	case a.Token == "":
		return Refuse(http.StatusForbidden, "forbidden",
			"over TCP this needs a token: set admin.token, or let the admin server listen on a Unix socket (admin.address: unix:/path)")
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(a.Token)), sha256.Sum256([]byte(given)) // of one length, whatever was given
	if !ok || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return Refuse(http.StatusUnauthorized, "unauthorized", "this needs the admin token: Authorization: Bearer TOKEN")
	}
	return nil
}
