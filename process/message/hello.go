package message

import "fmt"

// Role is what a process is to its peer.
type Role uint16

// The roles.
const (
	RoleMaster Role = iota + 1
	RoleWorker
	RoleControl // a command line, or whoever else asks a master for something
)

// String is the word for logs.
func (r Role) String() string {
	switch r {
	case RoleMaster:
		return "master"
	case RoleWorker:
		return "worker"
	case RoleControl:
		return "control"
	}
	return fmt.Sprintf("role %d", uint16(r))
}

// Version is a version of the protocol. It changes only when what a message means does: new messages and new fields
// need none, because who does not know them says so.
type Version uint16

// The versions that this program speaks.
const (
	MinVersion Version = 1
	MaxVersion Version = 1
)

// Features are bits for what a side is able to do. A feature is used only when both sides have it.
type Features uint64

// The features.
const (
	// FeatureConnections: takes and gives live connections.
	FeatureConnections Features = 1 << iota
	// FeatureResume: an old worker that was told to hand over can be told to go on.
	FeatureResume
	// FeatureAdopt: a worker that outlives its master can be adopted.
	FeatureAdopt
	// FeatureBlocking and FeatureNonBlocking: how a worker's listening sockets have to be. All copies of a socket share that, so
	// where two workers differ in it the old one stops accepting before the new one begins. Neither: nobody knows.
	FeatureBlocking
	FeatureNonBlocking
)

// Hello is the first message in each direction: who connects says it, the other side answers with its own.
type Hello struct {
	Role       Role
	Min, Max   Version
	Features   Features
	PID        int
	Product    string // the program and its version, for logs
	Generation uint64 // which worker of its master this is; 0 for others
	// StateMin and StateMax are the versions of a master's record that the program can take over when a master becomes
	// it by exec. A worker tells it, so that a master never becomes a program that cannot go on.
	StateMin, StateMax Version
}

// Type is TypeHello.
func (*Hello) Type() Type { return TypeHello }

func (m *Hello) append(b []byte) []byte {
	b = putUint(b, 1, m.Role)
	b = putUint(b, 2, m.Min)
	b = putUint(b, 3, m.Max)
	b = putUint(b, 4, m.Features)
	b = putUint(b, 5, m.PID)
	b = putBytes(b, 6, m.Product)
	b = putUint(b, 7, m.Generation)
	b = putUint(b, 8, m.StateMin)
	return putUint(b, 9, m.StateMax)
}

func (m *Hello) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			m.Role = Role(r.uint())
		case 2:
			m.Min = Version(r.uint())
		case 3:
			m.Max = Version(r.uint())
		case 4:
			m.Features = Features(r.uint())
		case 5:
			m.PID = r.int()
		case 6:
			m.Product = r.string()
		case 7:
			m.Generation = r.uint()
		case 8:
			m.StateMin = Version(r.uint())
		case 9:
			m.StateMax = Version(r.uint())
		default:
			r.skip()
		}
	}
	if r.err == nil && (m.Min == 0 || m.Min > m.Max) {
		r.fail("versions %d to %d", m.Min, m.Max)
	}
}

// Agree is what two sides that said Hello have in common: the highest version that both speak, and the features that
// both have. It fails with a Refusal if there is no such version.
func Agree(a, b *Hello) (Version, Features, error) {
	v := min(a.Max, b.Max)
	if v < max(a.Min, b.Min) {
		return 0, 0, &Refusal{Reason: ReasonVersion, Text: fmt.Sprintf("no common version: one side speaks %d to %d, the other %d to %d", a.Min, a.Max, b.Min, b.Max)}
	}
	return v, a.Features & b.Features, nil
}
