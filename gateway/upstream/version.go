package upstream

import (
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/http2"
)

// Version says which version of HTTP a cluster's servers are spoken with.
type Version string

// The versions: HTTP/1.1; HTTP/2, which TLS has to settle by ALPN and which is spoken with prior knowledge without TLS; and
// whichever of the two ALPN settles.
const (
	HTTP1    Version = "http1"
	HTTP2    Version = "http2"
	AutoHTTP Version = "auto"
)

// EnumValues are the versions there are.
func (Version) EnumValues() []string {
	return []string{string(HTTP1), string(HTTP2), string(AutoHTTP)}
}

// multiplexes reports whether HTTP/2 may be spoken.
func (v Version) multiplexes() bool { return v == HTTP2 || v == AutoHTTP }

// protocols are what TLS offers by ALPN.
func (v Version) protocols() []string {
	switch v {
	case HTTP2:
		return []string{alpnHTTP2}
	case AutoHTTP:
		return []string{alpnHTTP2, alpnHTTP1}
	}
	return []string{alpnHTTP1}
}

const (
	alpnHTTP1 = "http/1.1"
	alpnHTTP2 = "h2"
)

// HTTP2Spec is what a cluster says of its HTTP/2 connections.
type HTTP2Spec struct {
	Streams     int             `yaml:"streams" doc:"Requests that one connection carries at a time at most, if the server does not allow fewer; more go over a further connection."`
	Window      config.Size     `yaml:"window" doc:"Bytes of a response's body that may be on their way or wait for the client; one request's slow client does not hold up others."`
	PingAfter   config.Duration `yaml:"ping_after" doc:"Silence of a connection with requests on it after which a PING asks whether the server is there; 0: never. gRPC servers take more than one in 5 minutes for abuse."`
	PingTimeout config.Duration `yaml:"ping_timeout" doc:"For the answer to a PING; one is also sent when a request has waited in vain on a connection that was silent all the time. 0: none is."`
}

// SetDefaults fills in 128 requests at a time, windows of 64 KiB, and a PING after 6 minutes of silence that must be answered in 10 s.
func (s *HTTP2Spec) SetDefaults() {
	*s = HTTP2Spec{Streams: 128, Window: 64 << 10, PingAfter: config.Duration(6 * time.Minute), PingTimeout: config.Duration(10 * time.Second)}
}

// Validate reports bounds that cannot hold.
func (s *HTTP2Spec) Validate(c *config.Check) {
	if s.Streams < 1 || s.Streams > maxStreams {
		c.At("streams").Errorf("streams is 1 to %d, not %d", maxStreams, s.Streams)
	}
	if s.Window < 16<<10 || s.Window > 16<<20 {
		c.At("window").Errorf("a window is 16KiB at least and 16MiB at most")
	}
	if d := s.PingAfter.Std(); d != 0 && d < time.Second {
		c.At("ping_after").Errorf("ping_after is 0 or at least 1s")
	}
	if s.PingAfter != 0 && s.PingTimeout == 0 {
		c.At("ping_timeout").Errorf("a PING whose answer may take any time finds nothing out: give it a time, or make ping_after 0")
	}
}

// minFields is the least bound of fields that HTTP/2 goes by, which counts :status too.
const minFields = 8

// maxStreams is the most that streams may be.
const maxStreams = 10000

// validateVersion reports a version that cannot be settled, and keys that would have no effect.
func (s *Spec) validateVersion(c *config.Check) {
	if s.Version == AutoHTTP && s.TLS == nil {
		c.At("version").Errorf("auto leaves the choice to ALPN, which takes tls: without it write http1 or http2")
	}
	if s.Version == HTTP1 && c.Has("http2") {
		c.At("http2").Errorf("the cluster speaks HTTP/1.1: say version: http2, or auto")
	}
	if s.Version.multiplexes() && s.Limits.Fields > 0 && s.Limits.Fields < minFields {
		c.At("limits").At("fields").Errorf("fields is %d at least where HTTP/2 is spoken", minFields)
	}
}

// maxWindow is the most that a window may be (RFC 9113 §6.9.1).
const maxWindow = 1<<31 - 1

// transport makes of the settings what HTTP/2 connections go by. Their windows let every stream fill its own, so that none whose
// consumer is slow keeps others waiting. They are twice that, since what was consumed is not told before it is half of a window;
// where that is more than a window can be, slow consumers of very large bodies may have to wait for each other.
func (s *Settings) transport() *h2.Config {
	cfg := http2.DefaultConfig()
	cfg.MaxConcurrentStreams = max(cfg.MaxConcurrentStreams, s.HTTP2.Streams) // how many given up are remembered goes by it
	cfg.StreamWindow = int(s.HTTP2.Window)
	cfg.ConnectionWindow = min(max(2*cfg.StreamWindow*s.HTTP2.Streams, cfg.ConnectionWindow), maxWindow)
	cfg.MaxHeaderList, cfg.MaxFields = 2*s.HTTP1.MaxHead, s.HTTP1.MaxFields
	cfg.MaxHeaderBlock = max(cfg.MaxHeaderBlock, cfg.MaxHeaderList)
	return &h2.Config{HTTP2: &cfg, Streams: s.HTTP2.Streams, Write: s.Write, Idle: s.Idle,
		PingAfter: s.HTTP2.PingAfter.Std(), PingTimeout: s.HTTP2.PingTimeout.Std()}
}
