package message

// Status asks a process how it is. Masters also use it to see that a worker answers.
type Status struct {
	// Brief: what a master's workers tell of themselves is not asked for.
	Brief bool
}

// Type is TypeStatus.
func (*Status) Type() Type { return TypeStatus }

func (m *Status) append(b []byte) []byte { return putBool(b, 1, m.Brief) }

func (m *Status) parse(r *reader) {
	for r.next() {
		if r.id == 1 {
			m.Brief = r.bool()
		} else {
			r.skip()
		}
	}
}

// StatusAnswer answers Status.
type StatusAnswer struct {
	State string // one word: starting, ready, draining; of a master: running, upgrading …
	JSON  []byte // all the rest, for who knows the program's version
}

// Type is TypeStatusAnswer.
func (*StatusAnswer) Type() Type { return TypeStatusAnswer }

func (m *StatusAnswer) append(b []byte) []byte { return putBytes(putBytes(b, 1, m.State), 2, m.JSON) }

func (m *StatusAnswer) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			m.State = r.string()
		case 2:
			m.JSON = r.bytes()
		default:
			r.skip()
		}
	}
}

// Upgrade asks a master to replace its worker, and then itself, by the program as it is on disk now. The Ack says that the
// new worker serves; a Refusal, that the old one does as before, and why.
type Upgrade struct{ nothing }

// Type is TypeUpgrade.
func (*Upgrade) Type() Type { return TypeUpgrade }

// Adopt asks a worker that has lost its master to take the sender for it. It is answered by Adopted, or by a Refusal from
// a master that is alive.
type Adopt struct{ nothing }

// Type is TypeAdopt.
func (*Adopt) Type() Type { return TypeAdopt }

// Adopted answers Adopt. Its descriptors are the worker's pidfd, the control socket that listens, the memory that takes
// the worker's last words, and then one for each socket. From now on the connection is the worker's link to its master.
type Adopted struct {
	Ready   Ready
	Config  Config
	Sockets []Socket
}

// AdoptedBefore is how many descriptors precede those of the sockets.
const AdoptedBefore = 3

// Type is TypeAdopted.
func (*Adopted) Type() Type { return TypeAdopted }

func (m *Adopted) descriptors() int { return AdoptedBefore + len(m.Sockets) }

func (m *Adopted) append(b []byte) []byte {
	b = putGroup(b, 1, m.Ready.append)
	b = putGroup(b, 2, m.Config.append)
	for i := range m.Sockets {
		b = putGroup(b, 3, m.Sockets[i].append)
	}
	return b
}

func (m *Adopted) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			r.group(m.Ready.parse)
		case 2:
			r.group(m.Config.parse)
		case 3:
			m.Sockets = append(m.Sockets, parseSocket(r))
		default:
			r.skip()
		}
	}
}
