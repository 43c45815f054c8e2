package metrics

import "github.com/ringway/ringway/errs"

// Snapshot is everything that is counted, at about one moment. Entries with
// the same name (and, for endpoints, the same cluster) are added together, so
// a source may simply append what each loop has.
type Snapshot struct {
	Loops     []Loop
	Listeners []Listener
	Clusters  []Cluster
	Endpoints []Endpoint
	Tasks     []Task
	Health    []ClusterHealth // each cluster once
	AccessLog AccessLog
	ACME      ACME
}

// Loop is one event loop.
type Loop struct {
	ID int
	LoopCounters
}

// LoopCounters is what a loop counts of itself.
type LoopCounters struct {
	Ticks       uint64 // turns of the loop
	Tasks       uint64 // tasks alive now
	Spawned     uint64 // tasks ever started
	Polls       uint64 // times a task was resumed
	Completions uint64 // operations that the driver finished
	Submissions uint64 // operations given to the kernel (SQEs)
	Enters      uint64 // system calls made to submit or wait
	Panics      uint64 // tasks that ended in a panic
	Timers      uint64 // timers armed now
	Posted      uint64 // messages received from other threads
	Stalls      uint64 // times that something held the loop for too long
	StalledNs   uint64 // for how long, all together
	Delays      uint64 // times that the machine did not run the loop for as long
}

// Add adds o to c.
func (c *LoopCounters) Add(o *LoopCounters) {
	c.Ticks += o.Ticks
	c.Tasks += o.Tasks
	c.Spawned += o.Spawned
	c.Polls += o.Polls
	c.Completions += o.Completions
	c.Submissions += o.Submissions
	c.Enters += o.Enters
	c.Panics += o.Panics
	c.Timers += o.Timers
	c.Posted += o.Posted
	c.Stalls += o.Stalls
	c.StalledNs += o.StalledNs
	c.Delays += o.Delays
}

// Listener is one listener, or one loop's part of it.
type Listener struct {
	Name string
	ListenerCounters
}

// StatusClasses is the number of classes of HTTP status, 1xx to 5xx.
const StatusClasses = 5

// ListenerCounters is what a listener counts, per loop.
type ListenerCounters struct {
	Accepted uint64 // connections accepted
	Active   uint64 // connections open now
	Closed   uint64 // connections that have ended
	Paused   uint64 // times accepting paused for want of descriptors or memory
	Capped   uint64 // times accepting stopped at the bound of connections

	Requests [StatusClasses]uint64 // responses by class; see CountStatus
	BytesIn  uint64                // read from clients
	BytesOut uint64                // written to clients
	Duration Histogram             // first byte of a request to last byte of its response

	Sessions SessionCounters
	Tunnels  TunnelCounters
	TLS      TLSCounters
	HTTP2    HTTP2Counters
}

// CountStatus counts a response. A status outside 100 to 599 counts as 5xx:
// it can only be a mistake of the gateway.
func (c *ListenerCounters) CountStatus(status int) { *c.OfStatus(status)++ }

// OfStatus is the counter of responses of a status.
func (c *ListenerCounters) OfStatus(status int) *uint64 {
	if status < 100 || status > 599 {
		status = 500
	}
	return &c.Requests[status/100-1]
}

// Add adds o to c.
func (c *ListenerCounters) Add(o *ListenerCounters) {
	c.Accepted += o.Accepted
	c.Active += o.Active
	c.Closed += o.Closed
	c.Paused += o.Paused
	c.Capped += o.Capped
	for i, n := range o.Requests {
		c.Requests[i] += n
	}
	c.BytesIn += o.BytesIn
	c.BytesOut += o.BytesOut
	c.Duration.Add(&o.Duration)
	c.Sessions.Add(&o.Sessions)
	c.Tunnels.Add(&o.Tunnels)
	c.TLS.Add(&o.TLS)
	c.HTTP2.Add(&o.HTTP2)
}

// Cluster is one cluster. Endpoints and Available are not per loop: a source
// sets them in one entry of that name only.
type Cluster struct {
	Name      string
	Endpoints uint64 // endpoints known
	Available uint64 // endpoints that may be chosen now
	ClusterCounters
}

// ClusterCounters is what a cluster counts, per loop.
type ClusterCounters struct {
	Overloaded uint64 // requests refused because no connection came free in time
}

// Add adds o to c.
func (c *ClusterCounters) Add(o *ClusterCounters) { c.Overloaded += o.Overloaded }

// Endpoint is one endpoint of a cluster, or one loop's part of it.
type Endpoint struct {
	Cluster string
	Name    string // its address
	EndpointCounters
}

// EndpointError is a kind of failure of a request that was sent to an
// endpoint, or of a connection to one that did not come about.
type EndpointError uint8

// The kinds of error, each with the code of package errs that it stands for.
const (
	ConnectRefused EndpointError = iota
	ConnectTimeout
	ConnectFailed
	Reset
	Closed
	BadResponse
	ResponseTooLarge
	Timeout
	BodyIncomplete
	endpointErrors // the number of kinds
)

// connectErrors is how many kinds, from the first, are errors of connecting.
const connectErrors = int(ConnectFailed) + 1

// endpointErrorCodes names the kinds: a metric, a log line and a problem
// document that tell of the same failure say the same word.
var endpointErrorCodes = [endpointErrors]errs.Code{
	ConnectRefused:   errs.UpstreamConnectRefused,
	ConnectTimeout:   errs.UpstreamConnectTimeout,
	ConnectFailed:    errs.UpstreamConnectFailed,
	Reset:            errs.UpstreamReset,
	Closed:           errs.UpstreamClosed,
	BadResponse:      errs.UpstreamBadResponse,
	ResponseTooLarge: errs.UpstreamResponseTooLarge,
	Timeout:          errs.UpstreamTimeout,
	BodyIncomplete:   errs.UpstreamBodyIncomplete,
}

// String returns the code of package errs.
func (e EndpointError) String() string {
	if e >= endpointErrors {
		return string(errs.Internal)
	}
	return string(endpointErrorCodes[e])
}

// EndpointCounters is what an endpoint counts, per loop.
type EndpointCounters struct {
	Requests uint64 // requests sent, retries included
	Retries  uint64 // those of them that were not the first try
	Connects uint64 // connections begun
	Reused   uint64 // requests that took a pooled connection
	Idle     uint64 // pooled connections waiting now
	Active   uint64 // connections carrying a request now
	Streams  uint64 // requests on HTTP/2 connections now
	Refused  uint64 // requests that an HTTP/2 server gave back without looking at them
	GoAways  uint64 // HTTP/2 connections that the server has let end
	Panics   uint64 // HTTP/2 connections that were ended because the gateway failed over them

	Errors       [endpointErrors]uint64 // by kind; see CountError
	ResponseHead Histogram              // request sent to response head received
}

// CountError counts a failure by the code of err. What is not an upstream's
// failure is not counted.
func (c *EndpointCounters) CountError(err error) {
	code := errs.CodeOf(err)
	for i, known := range endpointErrorCodes {
		if code == known {
			c.Errors[i]++
			return
		}
	}
}

// Add adds o to c.
func (c *EndpointCounters) Add(o *EndpointCounters) {
	c.Requests += o.Requests
	c.Retries += o.Retries
	c.Connects += o.Connects
	c.Reused += o.Reused
	c.Idle += o.Idle
	c.Active += o.Active
	c.Streams += o.Streams
	c.Refused += o.Refused
	c.GoAways += o.GoAways
	c.Panics += o.Panics
	for i, n := range o.Errors {
		c.Errors[i] += n
	}
	c.ResponseHead.Add(&o.ResponseHead)
}

// Task is all tasks that were spawned under one name.
type Task struct {
	Name string
	TaskCounters
}

// TaskCounters is what tasks of one name count, per loop.
type TaskCounters struct {
	Live    uint64 // alive now
	Spawned uint64 // ever started
	Polls   uint64 // times resumed
	BusyNs  uint64 // nanoseconds they held their loops
	Panics  uint64 // ended by a panic
}

// Add adds o to c.
func (c *TaskCounters) Add(o *TaskCounters) {
	c.Live += o.Live
	c.Spawned += o.Spawned
	c.Polls += o.Polls
	c.BusyNs += o.BusyNs
	c.Panics += o.Panics
}

// AccessLog is the state of the access log.
type AccessLog struct {
	Written uint64 // records written
	Dropped uint64 // records lost
}
