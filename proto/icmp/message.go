package icmp

import "encoding/binary"

// Family is the version of IP, whose ICMPs number their types differently.
type Family uint8

// The families.
const (
	V4 Family = 4
	V6 Family = 6
)

// String is the family's name.
func (f Family) String() string {
	if f == V6 {
		return "IPv6"
	}
	return "IPv4"
}

func (f Family) echoRequest() uint8 {
	if f == V6 {
		return TypeEchoRequestV6
	}
	return TypeEchoRequestV4
}

func (f Family) echoReply() uint8 {
	if f == V6 {
		return TypeEchoReplyV6
	}
	return TypeEchoReplyV4
}

// Types of messages, by RFC 792 and RFC 4443.
const (
	TypeEchoReplyV4        = 0
	TypeUnreachableV4      = 3
	TypeEchoRequestV4      = 8
	TypeTimeExceededV4     = 11
	TypeParameterProblemV4 = 12

	TypeUnreachableV6      = 1
	TypePacketTooBigV6     = 2
	TypeTimeExceededV6     = 3
	TypeParameterProblemV6 = 4
	TypeEchoRequestV6      = 128
	TypeEchoReplyV6        = 129
)

// CodeFragmentationNeeded is the code of an IPv4 unreachable that IPv6 has a type for: packet too big (RFC 1191 §3).
const CodeFragmentationNeeded = 4

// Kind is what a message says, whichever the family.
type Kind uint8

// The kinds. Other is a message that answers no probe.
const (
	Other Kind = iota
	EchoRequest
	EchoReply
	Unreachable
	PacketTooBig
	TimeExceeded
	ParameterProblem
)

// IsError reports whether messages of this kind quote the packet that they are about.
func (k Kind) IsError() bool { return k >= Unreachable }

// Message is one ICMP message. Its slices alias what was parsed.
type Message struct {
	Kind       Kind
	Type, Code uint8
	Checksum   uint16
	ID, Seq    uint16 // of an echo message
	Payload    []byte // of an echo message; of an error, the bytes quoted and what follows them
	MTU        uint32 // of PacketTooBig; nought from routers older than RFC 1191
	family     Family
}

// Parse reads the message b, which begins with the ICMP header.
func Parse(f Family, b []byte) (Message, error) {
	if len(b) < HeaderLength {
		return Message{}, ErrShort
	}
	m := Message{Type: b[0], Code: b[1], Checksum: binary.BigEndian.Uint16(b[2:]), Payload: b[HeaderLength:], family: f}
	m.Kind = kindOf(f, m.Type, m.Code)
	switch m.Kind {
	case EchoRequest, EchoReply:
		m.ID, m.Seq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	case PacketTooBig:
		if f == V4 { // the upper half was unused before RFC 1191, and is RFC 4884's length now
			m.MTU = uint32(binary.BigEndian.Uint16(b[6:]))
		} else {
			m.MTU = binary.BigEndian.Uint32(b[4:])
		}
	}
	return m, nil
}

func kindOf(f Family, typ, code uint8) Kind {
	if f == V6 {
		switch typ {
		case TypeEchoRequestV6:
			return EchoRequest
		case TypeEchoReplyV6:
			return EchoReply
		case TypeUnreachableV6:
			return Unreachable
		case TypePacketTooBigV6:
			return PacketTooBig
		case TypeTimeExceededV6:
			return TimeExceeded
		case TypeParameterProblemV6:
			return ParameterProblem
		}
		return Other
	}
	switch typ {
	case TypeEchoRequestV4:
		return EchoRequest
	case TypeEchoReplyV4:
		return EchoReply
	case TypeUnreachableV4:
		if code == CodeFragmentationNeeded {
			return PacketTooBig
		}
		return Unreachable
	case TypeTimeExceededV4:
		return TimeExceeded
	case TypeParameterProblemV4:
		return ParameterProblem
	}
	return Other
}

// ErrorKind is the kind of an error of that type and code, for callers that were given these without the message.
func ErrorKind(f Family, typ, code uint8) Kind {
	if k := kindOf(f, typ, code); k.IsError() {
		return k
	}
	return Other
}
