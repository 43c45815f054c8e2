package preface

import (
	"errors"
	"io"
	"net/netip"
	"os"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/proxyproto"
)

// Endpoints are the two addresses of a connection as the client sees them.
type Endpoints struct {
	Source, Destination netip.AddrPort
}

// ReadProxy reads the PROXY header that the connection has to begin with, and takes nothing but that. The addresses are not
// valid where the header names none: then the connection's own count. It waits until the connection's read deadline; other
// errors are those of the connection, and *proxyproto.Error.
func ReadProxy(c *conn.Conn) (Endpoints, error) {
	g := gathering{c: c}
	defer g.free()
	for {
		b, err := g.more()
		if err != nil {
			return Endpoints{}, err
		}
		h, n, err := proxyproto.Parse(b)
		if err != nil {
			return Endpoints{}, err
		}
		if n > 0 {
			c.Consume(n - (len(b) - g.lent)) // the rest of it was consumed when it was moved
			return addresses(&h), nil
		}
	}
}

// ProxyEnd is the end of a connection whose PROXY header could not be read. A peer that leaves without a word is no fault: that is
// how load balancers look whether somebody listens.
func ProxyEnd(err error) metrics.SessionEnd {
	var bad *proxyproto.Error
	switch {
	case errors.As(err, &bad), err == io.ErrUnexpectedEOF:
		return metrics.BadProxyHeader
	case errors.Is(err, os.ErrDeadlineExceeded):
		return metrics.ProxyHeaderTimeout
	case err == io.EOF:
		return metrics.ClientClosed
	case errors.Is(err, ErrNoBlocks):
		return metrics.SessionOverloaded
	}
	return metrics.ClientReset
}

// addresses are those of the header, as far as it has any that are IP addresses. A datagram cannot have come by a stream.
func addresses(h *proxyproto.Header) Endpoints {
	if h.Family != proxyproto.Inet && h.Family != proxyproto.Inet6 || h.Transport != proxyproto.Stream {
		return Endpoints{}
	}
	return Endpoints{unmap(h.Source), unmap(h.Destination)}
}

// unmap makes one address of the two ways to write an IPv4 one, so that networks are compared alike.
func unmap(ap netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) }

// AppendProxy appends the header that tells an upstream of a connection.
func AppendProxy(dst []byte, v Version, e Endpoints) []byte {
	h := proxyproto.Proxied(proxyproto.Stream, e.Source, e.Destination)
	var err error
	if v == V1 {
		dst, err = proxyproto.AppendV1(dst, h)
	} else {
		dst, err = proxyproto.AppendV2(dst, h)
	}
	if err != nil {
		panic("preface: " + err.Error()) // Proxied gives nothing that cannot be written
	}
	return dst
}
