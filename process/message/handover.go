package message

// HandOver tells two workers that the one's live connections go to the other. The descriptor is an end of a link between
// the two. The giver stops accepting, and answers when it has given all that can be given; the taker answers at once.
type HandOver struct {
	// Give: the receiver of this message is the one that gives.
	Give bool
}

// Type is TypeHandOver.
func (*HandOver) Type() Type { return TypeHandOver }

func (*HandOver) descriptors() int { return 1 }

func (m *HandOver) append(b []byte) []byte { return putBool(b, 1|critical, m.Give) }

func (m *HandOver) parse(r *reader) {
	for r.next() {
		if r.id == 1|critical {
			m.Give = r.bool()
		} else {
			r.skip()
		}
	}
}

// Record is a live connection at rest.
type Record struct {
	ID uint64 // chosen by the giver, once in a hand-over
	// Kind says who understands State, as "http1.client" or "tcp.relay". A taker refuses a kind that it does not know.
	Kind     string
	Listener string // the name of the listener it came by; empty for others
	// State is what its kind needs to go on, bytes that were read and not used included.
	State []byte
	// Descriptors is how many the connection has: two for a relay.
	Descriptors int
}

func (c *Record) append(b []byte) []byte {
	b = putUint(b, 1, c.ID)
	b = putBytes(b, 2, c.Kind)
	b = putBytes(b, 3, c.Listener)
	b = putBytes(b, 4, c.State)
	return putUint(b, 5, c.Descriptors)
}

func (c *Record) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			c.ID = r.uint()
		case 2:
			c.Kind = r.string()
		case 3:
			c.Listener = r.string()
		case 4:
			c.State = r.bytes()
		case 5:
			if c.Descriptors = r.int(); c.Descriptors > MaxDescriptors {
				r.fail("a connection of %d descriptors", c.Descriptors)
			}
		default:
			r.skip()
		}
	}
}

// Records offers connections, with their descriptors in the same order. The taker keeps them untouched until Commit. It is
// answered by Taken.
type Records struct{ Connections []Record }

// Type is TypeRecords.
func (*Records) Type() Type { return TypeRecords }

func (m *Records) descriptors() (n int) {
	for i := range m.Connections {
		n += m.Connections[i].Descriptors
	}
	return n
}

func (m *Records) append(b []byte) []byte {
	for i := range m.Connections {
		b = putGroup(b, 1, m.Connections[i].append)
	}
	return b
}

func (m *Records) parse(r *reader) {
	for r.next() {
		if r.id != 1 {
			r.skip()
			continue
		}
		var c Record
		r.group(c.parse)
		m.Connections = append(m.Connections, c)
	}
}

// Taken answers Records. What was refused stays the giver's.
type Taken struct{ Refused []uint64 }

// Type is TypeTaken.
func (*Taken) Type() Type { return TypeTaken }

func (m *Taken) append(b []byte) []byte {
	for _, id := range m.Refused {
		// A refused connection may have the number 0, which putUint would leave out.
		b = putGroup(b, 1, func(b []byte) []byte { return putUint(b, 1, id) })
	}
	return b
}

func (m *Taken) parse(r *reader) {
	for r.next() {
		if r.id != 1 {
			r.skip()
			continue
		}
		var id uint64
		r.group(func(r *reader) {
			for r.next() {
				if r.id == 1 {
					id = r.uint()
				} else {
					r.skip()
				}
			}
		})
		m.Refused = append(m.Refused, id)
	}
}

// Commit makes the taker the owner of all connections that it has taken since the last Commit. It owns them when its Ack
// is in the socket, and not before: a giver that sees the link end without that Ack still owns them all.
type Commit struct{ nothing }

// Type is TypeCommit.
func (*Commit) Type() Type { return TypeCommit }

// End says that nothing more is handed over. What was taken and not committed the taker throws away.
type End struct{ nothing }

// Type is TypeEnd.
func (*End) Type() Type { return TypeEnd }
