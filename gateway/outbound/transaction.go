package outbound

import (
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/sys"
)

// viaValue names this gateway to the upstream, as RFC 9110 §7.6.3 demands of every intermediary.
func viaValue(protocol string) []byte {
	switch protocol {
	case "HTTP/1.0":
		return via10
	case "HTTP/1.1":
		return via11
	}
	return via2
}

var via10, via11, via2 = []byte("1.0 ringway"), []byte("1.1 ringway"), []byte("2.0 ringway")

// transaction is one request and its response on an upstream connection. The connection keeps it for the next.
type transaction struct {
	x    *exchange.Exchange
	k    *upstream.Conn
	resp http1.Response
	head http1io.Head
	body http1io.Body
	pump pump
	set  *upstream.Settings // those that it began with
	open bool
	wait bool // for the response's head

	tunnel bool // the server has gone over to another protocol
	back   *tunnelBody
	answer []byte // to the WebSocket key that was made up; nil: the client's own went along
}

// carry sends the request over k and reads the response's head. On failure k is gone.
func carry(x *exchange.Exchange, k *upstream.Conn, again bool) error {
	tx, _ := k.Carried.(*transaction)
	if tx == nil {
		tx = &transaction{k: k}
		tx.pump.tx = tx
		k.Carried = tx
	}
	tx.x, tx.set, tx.open = x, k.Endpoint.Cluster().Settings, true
	returned := false
	defer func() {
		if !returned { // a filter's body panicked
			tx.close(false)
		}
	}()
	k.Endpoint.Counters.Requests++
	if again {
		k.Endpoint.Counters.Retries++
	}
	got, err := tx.roundTrip()
	returned = true
	if err == nil {
		return nil
	}
	tx.close(false)
	if x.Task.Cause() != nil {
		return x.Task.Cause()
	}
	err = classify(err, got, k.Endpoint.Name)
	k.Endpoint.Counters.CountError(err)
	if k.Reused && !got && x.Request.Method.Idempotent() && x.Request.Body == nil && closedByPeer(err) {
		return staleError{err}
	}
	return err
}

// roundTrip leaves the response in the exchange; got reports whether any byte of it had come.
func (tx *transaction) roundTrip() (got bool, err error) {
	if err := tx.send(); err != nil {
		return false, err
	}
	x, k := tx.x, tx.k
	l := x.Net.Loop
	x.SentAt = l.Now()
	set := tx.set
	tx.wait = true
	for interims := 0; ; interims++ {
		if tx.pump.running { // the time starts with the body's end; what the pool or the last response had set is over
			k.SetReadTimeout(0)
		} else {
			k.SetReadTimeout(set.ResponseHead)
		}
		tx.resp.Reset(x.Request.Method)
		if got, err = tx.head.Read(k.Stream, &tx.resp, &set.HTTP1); err != nil {
			return got || interims > 0, err
		}
		if tx.resp.Status >= 200 {
			break
		}
		if tx.resp.Status == exchange.StatusTunnel {
			return true, tx.accepted()
		}
		if interims == maxInterims {
			return true, errInterims
		}
		if err := tx.interim(); err != nil {
			return true, err
		}
	}
	tx.wait = false
	k.SetReadTimeout(0)
	x.HeadAt = l.Now()
	k.Expect(tx.resp.Framing == http1.Length && tx.resp.ContentLength >= http1io.SpliceLimit)
	k.Endpoint.Counters.ResponseHead.Observe(x.HeadAt - x.SentAt)
	tx.body.Start(k.Stream, tx.resp.Framing, tx.resp.ContentLength, http1io.Limits{HTTP1: &set.HTTP1, Timeout: set.Read})
	tx.body.SetTrailerRule(tx.resp.Fields.TrailerRule())
	x.Response = exchange.Response{Status: tx.resp.Status, Reason: tx.resp.Reason, Fields: &tx.resp.Fields, Owner: tx}
	switch tx.resp.Framing {
	case http1.Length:
		x.Response.Body, x.Response.ContentLength = &tx.body, tx.resp.ContentLength
	case http1.Chunked, http1.UntilClose:
		x.Response.Body, x.Response.ContentLength = &tx.body, -1
	}
	return true, nil
}

// maxInterims bounds the interim responses to one request, since each gives the server its time anew.
const maxInterims = 64

var (
	errInterims = errors.New("upstream sent interim responses without end")
)

// interim passes a 1xx response on.
func (tx *transaction) interim() error {
	err := tx.x.Client.Informational(tx.resp.Status, &tx.resp.Fields)
	tx.head.Free()
	if err != nil {
		return errs.From(errs.ClientClosed, err, "send interim response")
	}
	return nil
}

// send sends the request: at once if all of it is there, and otherwise its body by the pump, beside the reading of the
// response.
func (tx *transaction) send() error {
	x, k := tx.x, tx.k
	b, err := tx.requestHead()
	if err != nil {
		return err
	}
	set := tx.set
	body := x.Request.Body
	if body == nil {
		k.SetWriteTimeout(set.Write)
		return k.Send(b)
	}
	tx.pump.out = http1io.Out{Conn: k.Stream, Block: b, Body: body, Chunked: x.Request.ContentLength < 0, Timeout: set.Write, Task: x.Task}
	if p, ok := body.(exchange.Prompt); ok && p.Prompt() {
		if err := tx.pump.out.Send(); err != nil {
			return err
		}
		x.Client.RequestRead()
		return nil
	}
	tx.pump.start()
	return nil
}

// sent notes that a pumped body has been sent whole: now the response's head is due.
func (tx *transaction) sent() {
	tx.x.Client.RequestRead()
	tx.due()
}

// due starts the time for the response's head.
func (tx *transaction) due() {
	if tx.wait {
		tx.k.SetReadTimeout(tx.set.ResponseHead)
	}
}

func (tx *transaction) requestHead() (*buf.Block, error) {
	x := tx.x
	b := x.Net.Small()
	if b == nil {
		return nil, http1io.ErrNoBlocks
	}
	r := &x.Request
	f := r.Fields
	if (r.Body != nil && r.ContentLength < 0 || r.Upgrade != nil) && f.Count(header.ContentLength) > 0 {
		// A filter changed the body, or there is none: two framings, or a wrong one, are how requests are smuggled.
		f.DelID(header.ContentLength)
	}
	trailers := takesTrailers(r)
	out := http1.AppendRequestLine(b.Bytes[:0], r.MethodToken, r.Path, r.Query, r.HasQuery)
	out = http1.AppendFields(out, f)
	if r.Upgrade != nil {
		out = tx.appendUpgrade(out)
	} else if trailers {
		out = append(out, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	if f.Count(header.Host) == 0 {
		out = append(out, "Host: "...)
		out = append(out, tx.k.Endpoint.Host()...)
		out = append(out, "\r\n"...)
	}
	if r.Body != nil && r.ContentLength < 0 {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	} else if r.Body != nil && f.Count(header.ContentLength) == 0 {
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, r.ContentLength, 10)
		out = append(out, "\r\n"...)
	}
	out = append(append(out, "Via: "...), viaValue(r.Protocol)...)
	out = append(out, "\r\n\r\n"...)
	return http1io.Fit(x.Net, b, out)
}

// takesTrailers reports whether the client says that it takes trailers, and gets them: only then may the server be told so (RFC 9110
// §10.1.4). TE is for one hop, so that none is copied, not even one that a filter has set.
func takesTrailers(r *exchange.Request) (takes bool) {
	f := r.Fields
	if f.Count(header.TE) == 0 {
		return false
	}
	for i := range f.Len() {
		if e := f.Field(i); e.ID == header.TE && e.Flags&header.Removed == 0 {
			e.Flags |= header.HopByHop
			takes = takes || header.TakesTrailers(f.Bytes(e.Flags, e.Value))
		}
	}
	return takes && r.Protocol != "HTTP/1.0"
}

// Close ends the exchange on this connection: it goes back to the pool if both messages were complete.
func (tx *transaction) Close() {
	if tx.open {
		tx.close(tx.body.Complete() && tx.resp.KeepAlive)
	}
}

func (tx *transaction) close(reusable bool) {
	if tx.wait && tx.x.Request.Upgrade != nil { // it may accept at any moment, and would take our leaving for the client's end
		tx.k.Abort()
	}
	tx.open, tx.wait = false, false
	sent := tx.pump.stop(tx.x)
	reusable = reusable && sent && !tx.tunnel
	tx.body.Close()
	if tx.tunnel {
		tx.endTunnel(sent)
	}
	tx.answer = nil
	tx.head.Free()
	tx.x, tx.set = nil, nil
	tx.k.Release(reusable)
}

// classify gives an error of a round trip its code.
func classify(err error, got bool, endpoint string) error {
	var bad *http1.Error
	var source *http1io.SourceError
	switch {
	case errors.Is(err, errs.ClientClosed):
		return err
	case errors.As(err, &source):
		return RequestBodyError(source.Err)
	case errors.As(err, &bad):
		code := errs.UpstreamBadResponse
		if errors.Is(err, http1.ErrHeadTooLarge) || errors.Is(err, http1.ErrTooManyFields) || errors.Is(err, http1.ErrLineTooLong) {
			code = errs.UpstreamResponseTooLarge
		}
		return errs.From(code, err, "response of "+endpoint)
	case errors.Is(err, errSwitched), errors.Is(err, errInterims):
		return errs.From(errs.UpstreamBadResponse, err, "response of "+endpoint)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errs.From(errs.UpstreamTimeout, err, "wait for the response of "+endpoint)
	case errors.Is(err, io.EOF) && !got:
		return errs.From(errs.UpstreamClosed, err, "wait for the response of "+endpoint)
	case errors.Is(err, io.EOF):
		return errs.From(errs.UpstreamBadResponse, err, "response head of "+endpoint+" ends early")
	case sys.IsReset(err):
		return errs.From(errs.UpstreamReset, err, "wait for the response of "+endpoint)
	case errors.Is(err, http1io.ErrNoBlocks):
		return errs.From(errs.Overloaded, err, "carry request to "+endpoint)
	}
	return errs.From(errs.UpstreamReset, err, "carry request to "+endpoint)
}

func closedByPeer(err error) bool {
	c := errs.CodeOf(err)
	return c == errs.UpstreamClosed || c == errs.UpstreamReset
}

// RequestBodyError gives an error of reading the client's body its code.
func RequestBodyError(err error) error {
	var bad *http1.Error
	switch {
	case errors.Is(err, http1io.ErrTooLarge):
		return errs.From(errs.PayloadTooLarge, err, "read request body")
	case errors.As(err, &bad):
		return errs.From(errs.BadRequest, err, "read request body").Public(bad.Msg)
	case errors.Is(err, errs.BadRequest): // a filter says so
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errs.From(errs.RequestTimeout, err, "read request body")
	}
	return errs.From(errs.ClientClosed, err, "read request body")
}
