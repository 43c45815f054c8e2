package handover

import (
	"encoding/json"
	"time"
)

// The kinds of connections that are handed over.
const (
	HTTP1    = "http1"    // a client's, between two requests
	Hello    = "hello"    // a client's, before anything of its TLS handshake was taken
	Waiting  = "waiting"  // a client's, of layer 4, that has yet to say where it is to go
	Relay    = "relay"    // a client's and an upstream's, between two messages
	Upgraded = "upgraded" // a client's and an upstream's after an upgrade of HTTP/1.1, between two messages
	Upstream = "upstream" // an idle one of a pool
	Tickets  = "tickets"  // no connection: a listener's keys of TLS sessions
	HealthOf = "health"   // no connection: what is known of a cluster's endpoints
	Weighed  = "weights"  // no connection: what an operator gave a cluster's endpoints
)

// Record is a connection at rest, with its descriptors, which stay open until its owner hears what becomes of it. Exactly one
// of Kept and Gone is called, once, on the loop that the record came from.
type Record struct {
	Kind     string
	Listener string // that it came by, or empty
	State    []byte
	Fds      []int
	Kept     func() // it stays here, for good
	Gone     func() // the other process has it: its copies here are to be closed
}

// Taker takes records, on the loop that they come from.
type Taker func(*Record)

// Client is the state of HTTP1, Hello and Waiting.
type Client struct {
	Unread      []byte `json:"unread,omitempty"`   // received and not read
	Requests    int    `json:"requests,omitempty"` // that it has carried
	Source      string `json:"source,omitempty"`   // addresses and ports that a PROXY header told
	Destination string `json:"destination,omitempty"`
	Header      bool   `json:"header,omitempty"` // a PROXY header comes first
}

// Tunnel is the state of a Relay, whose descriptors are the client's and the upstream's.
type Tunnel struct {
	Unread      [2][]byte     `json:"unread"` // received from the client, from the upstream, and not passed on
	Ended       [2]bool       `json:"ended"`  // the client, the upstream has ended its side, and the other was told
	Moved       [2]uint64     `json:"moved"`  // bytes of the client, of the upstream, that were passed on
	Forwarded   int           `json:"forwarded,omitempty"`
	ID          uint64        `json:"id"`
	Cluster     string        `json:"cluster"`
	Endpoint    string        `json:"endpoint"`
	Route       string        `json:"route,omitempty"`
	ServerName  string        `json:"server_name,omitempty"`
	Source      string        `json:"source,omitempty"` // addresses and ports as the client sees them
	Destination string        `json:"destination,omitempty"`
	Retries     int           `json:"retries,omitempty"`
	Age         time.Duration `json:"age"`               // nanoseconds since the client came
	Opening     time.Duration `json:"opening,omitempty"` // nanoseconds that the upstream took to be reached
}

// Upgrade is the state of an Upgraded one. Of the Tunnel in it, ID, Forwarded and what concerns a server name do not apply; Opening
// is how long the upstream took to accept.
type Upgrade struct {
	Tunnel
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	Host      string `json:"host,omitempty"`
	Path      string `json:"path"` // the request's target, with its query
	Protocol  string `json:"protocol"`
	Referer   string `json:"referer,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// Pooled is the state of an Upstream.
type Pooled struct {
	Cluster  string `json:"cluster"`
	Endpoint string `json:"endpoint"`
	Requests int    `json:"requests,omitempty"` // that it has carried
}

// TicketKeys is the state of Tickets.
type TicketKeys struct {
	Keys [][]byte      `json:"keys"` // the first is in use
	Age  time.Duration `json:"age"`  // nanoseconds that it has been so
}

// Health is the state of HealthOf.
type Health struct {
	Cluster string          `json:"cluster"`
	Known   json.RawMessage `json:"known"` // a list of health.Known
}

// Weights is the state of Weighed.
type Weights struct {
	Cluster   string   `json:"cluster"`
	Endpoints []Weight `json:"endpoints"`
}

// Weight is what an operator gave an endpoint.
type Weight struct {
	Address    string `json:"address"` // as configured
	Weight     int    `json:"weight"`  // 0: drained
	Configured int    `json:"configured"`
}

// Encode makes a Record's State of one of the states.
func Encode(state any) []byte {
	b, err := json.Marshal(state)
	if err != nil {
		panic("handover: " + err.Error()) // they hold nothing that JSON has no form for
	}
	return b
}

// Decode reads one of the states.
func Decode[T any](b []byte) (*T, error) {
	s := new(T)
	return s, json.Unmarshal(b, s)
}
