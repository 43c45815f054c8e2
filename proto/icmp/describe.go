package icmp

import "strconv"

// Reason says in words why a message of this kind was sent, with its code: "host unreachable", "time to live exceeded".
func Reason(f Family, k Kind, code uint8) string {
	names := unreachableV4[:]
	switch k {
	case PacketTooBig:
		if f == V4 {
			return "fragmentation needed"
		}
		return "packet too big"
	case TimeExceeded:
		if code == 1 {
			return "reassembly time exceeded"
		}
		return "time to live exceeded"
	case ParameterProblem:
		return "parameter problem"
	case Unreachable:
		if f == V6 {
			names = unreachableV6[:]
		}
		if int(code) < len(names) {
			return names[code]
		}
		return "unreachable, code " + strconv.Itoa(int(code))
	}
	return "message of another kind"
}

// unreachableV4 are the codes of RFC 792, RFC 1122 §3.2.2.1 and RFC 1812 §5.2.7.1.
var unreachableV4 = [...]string{"network unreachable", "host unreachable", "protocol unreachable", "port unreachable",
	"fragmentation needed", "source route failed", "network unknown", "host unknown", "source host isolated",
	"network prohibited", "host prohibited", "network unreachable for TOS", "host unreachable for TOS",
	"administratively prohibited", "host precedence violation", "precedence cutoff"}

// unreachableV6 are the codes of RFC 4443 §3.1.
var unreachableV6 = [...]string{"no route", "administratively prohibited", "beyond scope of source address",
	"address unreachable", "port unreachable", "source address failed policy", "reject route"}
