package health

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// GRPCSpec asks grpc.health.v1.Health/Check.
type GRPCSpec struct {
	Pace    `yaml:",inline"`
	Service string `yaml:"service" doc:"Full name of the service that is asked about, as it was registered; default: the whole server."`
	Host    string `yaml:"host" doc:"Host that is named (:authority); default: the endpoint's."`
}

func (*GRPCSpec) kind() Kind { return GRPC }

var _ connector = (*GRPCSpec)(nil)

// SetDefaults asks about the whole server every two seconds.
func (s *GRPCSpec) SetDefaults() { s.Pace = paceOf(2*time.Second, time.Second) }

// maxService is how long a service's name may be.
const maxService = 255

// Validate reports names that are none.
func (s *GRPCSpec) Validate(c *config.Check) {
	if len(s.Service) > maxService {
		c.At("service").Errorf("a service's name has at most %d bytes", maxService)
	}
	for _, r := range s.Host {
		if outsideOfTargets(r) {
			c.At("host").Errorf("%q is no host", s.Host)
			return
		}
	}
}

// servingError is an answer that tells that the service does not serve.
type servingError grpc.Serving

// Error names the state.
func (s servingError) Error() string { return grpc.Serving(s).String() }

// converse calls Check over HTTP/2, whatever else the cluster speaks.
func (s *GRPCSpec) converse(t *loop.Task, n *conn.Net, k *conn.Conn, to *peer) error {
	var stream conn.Stream = k
	if to.tls != nil {
		encrypted, protocol, err := to.tls.Connector(n.Loop, to.host, []string{alpnHTTP2}).Connect(t, k, 0)
		if err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		if stream = encrypted; protocol != alpnHTTP2 {
			_ = stream.Close()
			return errNoHTTP2
		}
	}
	cfg := http2.DefaultConfig()
	c := h2.New(stream, &h2.Config{HTTP2: &cfg, Streams: 1, Write: s.Timeout.Std()}, alone{})
	c.Start()
	defer c.Drain()
	x, err := s.ask(c, to)
	if err != nil {
		return err
	}
	defer x.Release()
	for x.Message() == nil {
		if err := x.Await(); err != nil {
			return err
		}
		x.TakeInterim()
	}
	return judge(x)
}

// ask sends the request.
func (s *GRPCSpec) ask(c *h2.Conn, to *peer) (*h2.Stream, error) {
	host := s.Host
	if host == "" {
		host = (&HTTPSpec{}).host(to)
	}
	head := http2.RequestHead{Method: []byte("POST"), Scheme: "http", Authority: []byte(host), Path: []byte(grpc.HealthPath)}
	if to.tls != nil {
		head.Scheme = "https"
	}
	var fields header.Fields
	fields.AddID(header.ContentType, []byte(grpc.ContentType))
	fields.AddID(header.TE, []byte("trailers"))
	fields.AddID(header.UserAgent, []byte(userAgent))
	x, err := c.Open(&head, &fields, false)
	if err != nil {
		return nil, err
	}
	body := grpc.AppendHealthRequest(nil, s.Service)
	if n, err := x.Offer(body, true); err != nil || n < len(body) { // windows are never so small but for a server that wants none
		x.Release()
		return nil, errors.Join(errors.New("the server takes no request"), err)
	}
	return x, nil
}

// judge reads the answer.
func judge(x *h2.Stream) error {
	m := x.Message()
	if m.Status != 200 {
		return statusError(m.Status)
	}
	var body []byte
	for {
		p, err := x.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if body = append(body, p...); len(body) > maxAnswer {
			return errors.New("the answer is too long")
		}
	}
	last := &m.Fields // of trailers only
	if f := x.Trailers(); f != nil {
		last = f
	}
	if code, ok := grpc.StatusOf(last); !ok {
		return errors.New("the answer is not gRPC")
	} else if code != grpc.OK {
		return fmt.Errorf("grpc-status %d", code)
	}
	serving, err := grpc.ParseHealthResponse(body)
	if err == nil && serving != grpc.IsServing {
		err = servingError(serving)
	}
	return err
}

// maxAnswer is how long an answer may be, in bytes; two and a prefix are enough.
const maxAnswer = 1 << 10
