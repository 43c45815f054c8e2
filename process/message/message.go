package message

import (
	"fmt"
	"maps"
	"slices"
)

// Message is one of the types of this package. Parse returns them as pointers.
type Message interface {
	Type() Type
	// append writes the body.
	append([]byte) []byte
	// parse reads the body's fields.
	parse(*reader)
}

// The types. Numbers are given out in order within a subject and never again.
const (
	TypeHello         Type = 1
	TypeAck           Type = 2
	TypeRefusal       Type = 3
	TypeNotUnderstood Type = 4

	TypeConfig    Type = 16
	TypeListen    Type = 17
	TypeListeners Type = 18
	TypeReady     Type = 19
	TypeFailed    Type = 20

	TypeReload   Type = 32
	TypeReloaded Type = 33
	TypeDrain    Type = 34
	TypeStop     Type = 35
	TypeReopen   Type = 36
	TypeResume   Type = 37

	TypeHandOver Type = 48
	TypeRecords  Type = 49
	TypeTaken    Type = 50
	TypeCommit   Type = 51
	TypeEnd      Type = 52

	TypeStatus       Type = 64
	TypeStatusAnswer Type = 65
	TypeUpgrade      Type = 66
	TypeAdopt        Type = 67
	TypeAdopted      Type = 68
	TypeReadConfig   Type = 69
)

// known makes an empty message of each type that this version understands.
var known = map[Type]func() Message{
	TypeHello:         func() Message { return new(Hello) },
	TypeAck:           func() Message { return new(Ack) },
	TypeRefusal:       func() Message { return new(Refusal) },
	TypeNotUnderstood: func() Message { return new(NotUnderstood) },
	TypeConfig:        func() Message { return new(Config) },
	TypeListen:        func() Message { return new(Listen) },
	TypeListeners:     func() Message { return new(Listeners) },
	TypeReady:         func() Message { return new(Ready) },
	TypeFailed:        func() Message { return new(Failed) },
	TypeReload:        func() Message { return new(Reload) },
	TypeReloaded:      func() Message { return new(Reloaded) },
	TypeDrain:         func() Message { return new(Drain) },
	TypeStop:          func() Message { return new(Stop) },
	TypeReopen:        func() Message { return new(Reopen) },
	TypeResume:        func() Message { return new(Resume) },
	TypeHandOver:      func() Message { return new(HandOver) },
	TypeRecords:       func() Message { return new(Records) },
	TypeTaken:         func() Message { return new(Taken) },
	TypeCommit:        func() Message { return new(Commit) },
	TypeEnd:           func() Message { return new(End) },
	TypeStatus:        func() Message { return new(Status) },
	TypeStatusAnswer:  func() Message { return new(StatusAnswer) },
	TypeUpgrade:       func() Message { return new(Upgrade) },
	TypeAdopt:         func() Message { return new(Adopt) },
	TypeAdopted:       func() Message { return new(Adopted) },
	TypeReadConfig:    func() Message { return new(ReadConfig) },
}

// Types are the types that this version understands, in order.
func Types() []Type { return slices.Sorted(maps.Keys(known)) }

// carrier is implemented by messages that say in their body how many descriptors go with them.
type carrier interface{ descriptors() int }

// Body is the body of m.
func Body(m Message) []byte { return m.append(nil) }

// Parse decodes a body. descriptors is how many came with it: a message whose body speaks of another number is malformed.
// The message shares no memory with the body.
func Parse(t Type, body []byte, descriptors int) (Message, error) {
	empty, ok := known[t]
	if !ok {
		return nil, fmt.Errorf("%w: type %d", ErrNotUnderstood, t)
	}
	m, r := empty(), reader{rest: body}
	if m.parse(&r); r.err != nil {
		return nil, fmt.Errorf("type %d: %w", t, r.err)
	}
	want := 0
	if c, ok := m.(carrier); ok {
		want = c.descriptors()
	}
	if want != descriptors {
		return nil, fmt.Errorf("type %d: %w: %d descriptors came, and it speaks of %d", t, ErrMalformed, descriptors, want)
	}
	return m, nil
}

// nothing is embedded by messages without fields.
type nothing struct{}

func (nothing) append(b []byte) []byte { return b }

func (nothing) parse(r *reader) {
	for r.next() {
		r.skip()
	}
}
