package exchange

import (
	"net/netip"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// Request is the request as the next handler is to see it. Its slices are valid until the exchange ends.
type Request struct {
	Method      http1.Method
	MethodToken []byte
	Scheme      string // "http" or "https": how the client came
	Authority   []byte // host[:port] that the client asked for; empty for an HTTP/1.0 request without Host
	Path        []byte // "*" for OPTIONS *
	Query       []byte // without '?'
	HasQuery    bool
	Fields      *header.Fields
	// Body is nil when there is none. ContentLength is its length, -1 when only its end will tell.
	Body          Body
	ContentLength int64
	Protocol      string // "HTTP/1.1"
	// Upgrade is the protocol that the client asks to go over to, as it writes it: "websocket"; nil for none. It is one, even
	// where the client offers several, and it is allowed on the route: what is not is an ordinary request. Tunnel is what the
	// client sends from then on, which nobody may read before the upstream has agreed: see type Tunnel.
	Upgrade []byte
	Tunnel  Body
}

// Response is the response as far as it is there: the head, and a body still to be read. Its slices are valid until the
// first Next of the body.
type Response struct {
	Status        int // 0: there is none yet; 101: the tunnel that Request.Upgrade asked for, see type Tunnel
	Reason        []byte
	Fields        *header.Fields
	Body          Body
	ContentLength int64 // -1 when only the body's end will tell
	// Owner is what the response comes from; it is closed, in the task, when the response is done with.
	Owner Owner
}

// Owner is the outbound side of an exchange.
type Owner interface {
	// Close gives back what the response holds. It may wait until the request's body is no longer being read.
	Close()
}

// Client is the inbound side of an exchange, for what concerns the client before the response is there.
type Client interface {
	// RequestRead says that the request has been read whole, so that from now on only the client's leaving is watched for.
	RequestRead()
	// Informational sends an interim response (1xx); clients that do not know them get none.
	Informational(status int, fields *header.Fields) error
}

// Exchange is one request on its way.
type Exchange struct {
	Task *loop.Task
	Net  *conn.Net

	ID       uint64 // of the request: unique in the process, random between processes
	Listener string
	Client   Client
	Peer     netip.AddrPort // who opened the connection
	ClientIP netip.Addr     // whom trusted proxies say that it is for
	TLS      *secure.Info   // what the client's handshake has settled, its certificate for one; nil: plain

	Request  Request
	Response Response
	Deadline int64 // of the loop's clock: when the client gives up; 0: never

	// What routing and forwarding leave for the log.
	Route    string
	Cluster  string
	Endpoint string
	Retries  int
	Start    int64 // of the loop's clock: first byte of the request
	SentAt   int64 // request sent upstream
	HeadAt   int64 // response head received

	own  header.Fields
	data BytesBody
}

// AppendID appends the request's ID, 16 hexadecimal digits.
func (x *Exchange) AppendID(dst []byte) []byte { return AppendID(dst, x.ID) }

// AppendID appends an ID as users see it: 16 hexadecimal digits.
func AppendID(dst []byte, id uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[id>>shift&15])
	}
	return dst
}

// Reset makes x ready for another request.
func (x *Exchange) Reset() {
	x.own.Reset(nil)
	own, data := x.own, x.data
	*x = Exchange{own: own, data: data}
}

// Respond sets a response made here, in place of one from upstream: body is sent as it is and must stay unchanged until
// the exchange ends. The fields to add to are returned.
func (x *Exchange) Respond(status int, body []byte) *header.Fields {
	x.DropResponse()
	x.own.Reset(nil)
	x.data.set(body)
	x.Response = Response{Status: status, Fields: &x.own, ContentLength: int64(len(body))}
	if len(body) > 0 {
		x.Response.Body = &x.data
	}
	return &x.own
}

// DropResponse lets go of a response that will not be sent on.
func (x *Exchange) DropResponse() {
	if x.Response.Body != nil {
		x.Response.Body.Close()
	}
	owner := x.Response.Owner
	x.Response = Response{}
	if owner != nil {
		owner.Close()
	}
}
