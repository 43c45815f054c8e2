package preface

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/proto/tls"
)

// MaxHello is the largest bound of a ClientHello.
const MaxHello = 64 << 10

// ReadHello reads the ClientHello that a TLS client begins with into h, whose slices are valid until the connection is read on
// or Reset. Nothing of it is lost: what had to be taken off the connection is in the block that is returned, also with an
// error, and goes to the upstream first, before what the connection holds. It waits until the connection's read deadline;
// other errors are those of the connection, and *tls.Error.
func ReadHello(c *conn.Conn, h *tls.ClientHello, limit int) (*buf.Block, error) {
	g := gathering{c: c}
	for {
		b, err := g.more()
		if err != nil {
			return g.block, err
		}
		n, err := h.Parse(b, min(limit, MaxHello))
		if err != nil || n > 0 {
			return g.block, err
		}
	}
}
