package inbound

import (
	"slices"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/proto/http2"
)

// Version is a version of HTTP.
type Version string

// The versions: HTTP/1.1 with 1.0, and HTTP/2.
const (
	HTTP1 Version = "http1"
	HTTP2 Version = "http2"
)

// EnumValues are the versions there are.
func (Version) EnumValues() []string { return []string{string(HTTP1), string(HTTP2)} }

// Versions are those that a listener's clients may speak.
type Versions []Version

// Has reports whether v is among them.
func (s Versions) Has(v Version) bool { return slices.Contains(s, v) }

// ALPN are their names in TLS, the preferred first.
func (s Versions) ALPN() (names []string) {
	if s.Has(HTTP2) {
		names = append(names, alpnHTTP2)
	}
	if s.Has(HTTP1) {
		names = append(names, "http/1.1")
	}
	return names
}

// alpnHTTP2 is HTTP/2 over TLS (RFC 9113 §3.2).
const alpnHTTP2 = "h2"

// validateVersions reports a list of versions that leaves nothing to speak, or says something twice.
func (s *Spec) validateVersions(c *config.Check) {
	if c.At("versions").Failed() {
		return
	}
	if len(s.Versions) == 0 {
		c.At("versions").Errorf("a listener needs a version to speak: [http1, http2] or one of them")
	}
	for i, v := range s.Versions {
		if slices.Contains(s.Versions[:i], v) {
			c.At("versions", i).Errorf("%s is there already", v)
		}
	}
}

// HTTP2Limits bound what a client of HTTP/2 may have open, on the way, and cost. Its fields are bound as those of HTTP/1.1.
type HTTP2Limits struct {
	Streams          int         `yaml:"streams" doc:"Requests at a time on one connection."`
	StreamWindow     config.Size `yaml:"stream_window" doc:"Bytes of a request's body that may be on their way, or here and not passed on."`
	ConnectionWindow config.Size `yaml:"connection_window" doc:"The same for all requests of a connection; 0: twice what that many streams of that window need, so that bodies which nobody takes hold up no other."`
	HeaderTable      config.Size `yaml:"header_table" doc:"What HPACK may remember of fields, for each direction of a connection."`
	Continuations    int         `yaml:"continuations" doc:"CONTINUATION frames that a request's fields may take."`
	Replies          int         `yaml:"replies" doc:"Answers to PING, SETTINGS and the like that may wait for a client that does not read."`
	Resets           Budget      `yaml:"resets" doc:"Requests that a client may give up (RST_STREAM)."`
	Faults           Budget      `yaml:"faults" doc:"Requests that may be malformed, or too large."`
	Control          Budget      `yaml:"control" doc:"Frames that bring nothing forward: PING, SETTINGS, PRIORITY, empty DATA and the like. Frames with content earn some back."`
}

// SetDefaults fills in 128 requests at a time, windows of 64 KiB, one of the connection that lets all of them be full, and budgets that
// honest clients do not come near.
func (l *HTTP2Limits) SetDefaults() {
	d := http2.DefaultConfig()
	*l = HTTP2Limits{Streams: d.MaxConcurrentStreams, StreamWindow: config.Size(d.StreamWindow),
		HeaderTable: config.Size(d.HeaderTableSize), Continuations: d.MaxContinuations, Replies: d.MaxReplies,
		Resets: Budget(d.Resets), Faults: Budget(d.Faults), Control: Budget(d.Control)}
}

// Validate keeps the bounds within what HTTP/2 can say.
func (l *HTTP2Limits) Validate(c *config.Check) {
	between := func(key string, v, low, high int64, what string) {
		if v < low || v > high {
			c.At(key).Errorf("%s", what)
		}
	}
	between("streams", int64(l.Streams), 1, 1<<16, "streams is 1 to 65536")
	between("stream_window", int64(l.StreamWindow), 1<<10, mostWindow, "a window is 1KiB to 1GiB")
	if l.ConnectionWindow != 0 {
		between("connection_window", int64(l.ConnectionWindow), leastConnection, mostWindow, "the window of a connection is 64KiB to 1GiB, or 0")
	}
	between("header_table", int64(l.HeaderTable), 0, 1<<20, "a header table is at most 1MiB")
	between("continuations", int64(l.Continuations), 1, 1<<16, "continuations is 1 to 65536")
	between("replies", int64(l.Replies), 1, 1<<20, "replies is 1 to 1048576")
}

const (
	leastConnection = 64 << 10
	mostWindow      = 1 << 30
)

// connectionWindow is what all requests of a connection may hold. By default it is what all of them can, so that those whose bodies
// wait for an upstream leave the others alone, and that again: a window is only given back when half of it has been consumed.
func (l *HTTP2Limits) connectionWindow() int {
	if l.ConnectionWindow != 0 {
		return int(l.ConnectionWindow)
	}
	return int(min(max(2*int64(l.Streams)*int64(l.StreamWindow), leastConnection), mostWindow))
}

// Budget bounds how often something may happen on one connection.
type Budget struct {
	Burst     int `yaml:"burst" doc:"Times at once. One more ends the connection."`
	PerSecond int `yaml:"per_second" doc:"Times a second, in the long run."`
}

// Validate keeps a budget one.
func (b *Budget) Validate(c *config.Check) {
	if b.Burst < 10 || b.Burst > 1<<20 {
		c.At("burst").Errorf("burst is 10 to 1048576")
	}
	if b.PerSecond < 1 || b.PerSecond > 1<<20 {
		c.At("per_second").Errorf("per_second is 1 to 1048576")
	}
}

// pseudoFields is how many fields of a request HTTP/2 puts in the place of its first line.
const pseudoFields = 5

// http2Config is what the listener offers its clients of HTTP/2.
func (s *Spec) http2Config() *http2.Config {
	l, t := &s.Limits.HTTP2, &s.Timeouts
	c := http2.DefaultConfig()
	c.MaxConcurrentStreams, c.StreamWindow, c.ConnectionWindow = l.Streams, int(l.StreamWindow), l.connectionWindow()
	c.HeaderTableSize, c.EncoderTableSize = int(l.HeaderTable), int(l.HeaderTable)
	c.MaxHeaderList, c.MaxFields = int(s.Limits.Head), max(s.Limits.Fields+pseudoFields, 8)
	c.MaxHeaderBlock, c.MaxContinuations = 2*int(s.Limits.Head), l.Continuations
	c.Resets, c.Faults, c.Control, c.MaxReplies = http2.Budget(l.Resets), http2.Budget(l.Faults), http2.Budget(l.Control), l.Replies
	if d := t.RequestHead.Std(); d > 0 {
		c.SettingsTimeout, c.HeaderTimeout = d, d
	}
	if d := t.Write.Std(); d > 0 {
		c.StallTimeout = d
	}
	return &c
}
