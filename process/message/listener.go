package message

// ListenerKey tells listeners apart: one whose address changed is another one.
type ListenerKey struct {
	Name    string
	Address string // as the configuration has it: host:port or unix:/path
	// Datagram: the socket is for datagrams, else it is a stream that listens.
	Datagram bool
}

func (k *ListenerKey) append(b []byte) []byte {
	b = putBytes(b, 1, k.Name)
	b = putBytes(b, 2, k.Address)
	return putBool(b, 3|critical, k.Datagram)
}

// field takes over a field of a key; others that share the group have other ids.
func (k *ListenerKey) field(r *reader) bool {
	switch r.id {
	case 1:
		k.Name = r.string()
	case 2:
		k.Address = r.string()
	case 3 | critical:
		k.Datagram = r.bool()
	default:
		return false
	}
	return true
}

func parseKey(r *reader) (k ListenerKey) {
	r.group(func(r *reader) {
		for r.next() {
			if !k.field(r) {
				r.skip()
			}
		}
	})
	return k
}

// Wanted is a listener that a worker wants sockets of.
type Wanted struct {
	ListenerKey
	Sockets int // one for each loop; the answer may have more, whose queues need somebody as well
	Backlog int // the length of each accept queue
	// Mode are the permissions of a Unix socket's file; 0: what the master's umask leaves. The worker may not be allowed to set them.
	Mode int
}

func (w *Wanted) append(b []byte) []byte {
	b = w.ListenerKey.append(b)
	b = putUint(b, 4, w.Sockets)
	b = putUint(b, 5, w.Backlog)
	return putUint(b, 6, w.Mode)
}

// Listen asks the master for listening sockets. Those that it holds already it gives as they are, queues and all; others
// it opens. It is answered by Listeners, or by a Refusal if one of them cannot be had, and then none is.
type Listen struct{ Wanted []Wanted }

// Type is TypeListen.
func (*Listen) Type() Type { return TypeListen }

func (m *Listen) append(b []byte) []byte {
	for i := range m.Wanted {
		b = putGroup(b, 1, m.Wanted[i].append)
	}
	return b
}

func (m *Listen) parse(r *reader) {
	for r.next() {
		if r.id != 1 {
			r.skip()
			continue
		}
		var w Wanted
		r.group(func(r *reader) {
			for r.next() {
				switch {
				case w.field(r):
				case r.id == 4:
					w.Sockets = r.int()
				case r.id == 5:
					w.Backlog = r.int()
				case r.id == 6:
					w.Mode = r.int()
				default:
					r.skip()
				}
			}
		})
		m.Wanted = append(m.Wanted, w)
	}
}

// Socket is one socket of a listener. Its descriptor goes with the message, in the order of the sockets.
type Socket struct {
	ListenerKey
	Bound string // the address that it got; it differs from Address where the port was 0
	Index int    // among the listener's sockets, from 0
}

func (s *Socket) append(b []byte) []byte {
	b = s.ListenerKey.append(b)
	b = putBytes(b, 4, s.Bound)
	return putUint(b, 5, s.Index)
}

func parseSocket(r *reader) (s Socket) {
	r.group(func(r *reader) {
		for r.next() {
			switch {
			case s.field(r):
			case r.id == 4:
				s.Bound = r.string()
			case r.id == 5:
				s.Index = r.int()
			default:
				r.skip()
			}
		}
	})
	return s
}

// Listeners answers Listen. One descriptor goes with each socket.
type Listeners struct{ Sockets []Socket }

// Type is TypeListeners.
func (*Listeners) Type() Type { return TypeListeners }

func (m *Listeners) descriptors() int { return len(m.Sockets) }

func (m *Listeners) append(b []byte) []byte {
	for i := range m.Sockets {
		b = putGroup(b, 1, m.Sockets[i].append)
	}
	return b
}

func (m *Listeners) parse(r *reader) {
	for r.next() {
		if r.id == 1 {
			m.Sockets = append(m.Sockets, parseSocket(r))
		} else {
			r.skip()
		}
	}
}
