package message

import "time"

// Millis is a length of time in milliseconds.
type Millis uint64

// Milliseconds rounds d up to whole ones; what is negative is none.
func Milliseconds(d time.Duration) Millis {
	return Millis((max(d, 0) + time.Millisecond - 1) / time.Millisecond)
}

// Duration is m as Go has it.
func (m Millis) Duration() time.Duration {
	return time.Duration(min(m, Millis(1<<62/time.Millisecond))) * time.Millisecond
}

func (r *reader) millis() Millis { return Millis(r.uint()) }

// Ready says that the worker serves, and that whoever served before it may stop.
type Ready struct {
	// Listeners are all that the worker uses.
	Listeners []ListenerKey
	// DrainTimeout is how long the worker takes at most when it is told to drain; 0 for as long as it takes.
	DrainTimeout Millis
}

// Type is TypeReady.
func (*Ready) Type() Type { return TypeReady }

func (m *Ready) append(b []byte) []byte {
	for i := range m.Listeners {
		b = putGroup(b, 1, m.Listeners[i].append)
	}
	return putUint(b, 2, m.DrainTimeout)
}

func (m *Ready) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			m.Listeners = append(m.Listeners, parseKey(r))
		case 2:
			m.DrainTimeout = r.millis()
		default:
			r.skip()
		}
	}
}

// Failed says that the worker cannot serve, and ends.
type Failed struct {
	Text string // for people
}

// Type is TypeFailed.
func (*Failed) Type() Type { return TypeFailed }

func (m *Failed) append(b []byte) []byte { return putBytes(b, 1, m.Text) }

func (m *Failed) parse(r *reader) {
	for r.next() {
		if r.id == 1 {
			m.Text = r.string()
		} else {
			r.skip()
		}
	}
}

// Drain tells a worker to accept no more, to finish what it has, and to end. The Ack says that it has begun.
type Drain struct {
	// Last: nobody else has the listening sockets any more, so what waits in their queues is the receiver's to serve.
	Last bool
}

// Type is TypeDrain.
func (*Drain) Type() Type { return TypeDrain }

func (m *Drain) append(b []byte) []byte { return putBool(b, 1, m.Last) }

func (m *Drain) parse(r *reader) {
	for r.next() {
		if r.id == 1 {
			m.Last = r.bool()
		} else {
			r.skip()
		}
	}
}

// Stop tells a worker to end at once.
type Stop struct{ nothing }

// Type is TypeStop.
func (*Stop) Type() Type { return TypeStop }

// Reopen tells a worker to open its log files anew, after they were rotated.
type Reopen struct{ nothing }

// Type is TypeReopen.
func (*Reopen) Type() Type { return TypeReopen }

// Resume tells a worker whose HandOver failed to go on as if it had never been told.
type Resume struct{ nothing }

// Type is TypeResume.
func (*Resume) Type() Type { return TypeResume }
