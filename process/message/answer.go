package message

import "fmt"

// Ack answers a message that was acted upon, and has nothing more to tell.
type Ack struct{ nothing }

// Type is TypeAck.
func (*Ack) Type() Type { return TypeAck }

// Reason is why a message was refused, for programs.
type Reason uint16

// The reasons. A reader takes one that it does not know for ReasonFailed.
const (
	ReasonFailed    Reason = iota + 1 // it was tried, and did not work
	ReasonMalformed                   // the body cannot be read
	ReasonState                       // not now: another upgrade is under way, or the process is about to end
	ReasonInvalid                     // the configuration, or an argument, is not valid
	ReasonVersion                     // no common version
	ReasonForbidden                   // the peer's credentials do not permit it
	ReasonBusy                        // too many messages wait for their answer
)

// Refusal answers a message that was understood and not acted upon. It is an error as well, so that a caller may return it.
type Refusal struct {
	Reason Reason
	Text   string // for people; one line, or several of a configuration's faults
	// Listener is the one that it is about, if it is about one.
	Listener string
}

// Type is TypeRefusal.
func (*Refusal) Type() Type { return TypeRefusal }

// Error is the text, and the listener that it is about.
func (m *Refusal) Error() string {
	switch {
	case m.Text == "":
		return fmt.Sprintf("refused (reason %d)", m.Reason)
	case m.Listener != "":
		return fmt.Sprintf("listener %s: %s", m.Listener, m.Text)
	}
	return m.Text
}

// Is makes Refusal{Reason: x} a target of errors.Is.
func (m *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && t.Reason == m.Reason && t.Text == ""
}

func (m *Refusal) append(b []byte) []byte {
	return putBytes(putBytes(putUint(b, 1, m.Reason), 2, m.Text), 3, m.Listener)
}

func (m *Refusal) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			m.Reason = ReasonFailed
			if n := r.uint(); n <= uint64(ReasonBusy) {
				m.Reason = Reason(n)
			}
		case 2:
			m.Text = r.string()
		case 3:
			m.Listener = r.string()
		default:
			r.skip()
		}
	}
}

// NotUnderstood answers a message of a type, or with a critical field, that the receiver's version does not know. It is
// an error as well.
type NotUnderstood struct{ Unknown Type }

// Type is TypeNotUnderstood.
func (*NotUnderstood) Type() Type { return TypeNotUnderstood }

// Error names the type.
func (m *NotUnderstood) Error() string {
	return fmt.Sprintf("the peer's version does not understand messages of type %d", m.Unknown)
}

// Is makes it the same as ErrNotUnderstood.
func (*NotUnderstood) Is(target error) bool { return target == ErrNotUnderstood }

func (m *NotUnderstood) append(b []byte) []byte { return putUint(b, 1, m.Unknown) }

func (m *NotUnderstood) parse(r *reader) {
	for r.next() {
		if r.id == 1 {
			m.Unknown = Type(r.uint())
		} else {
			r.skip()
		}
	}
}
