package conn

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// mover is a relay that changes loops again and again.
type mover struct {
	homes []*env
	at    atomic.Int32 // which home it is in, -1 on its way
	r     *Relay
	ends  atomic.Int32
	moved [2]uint64
	why   RelayEnd
	moves int
	bulks int // moves of a relay that had a pipe
	stays int
	fault error
}

// place makes the relay of two descriptors in a home. It runs on that loop.
func (m *mover) place(at int32, fds [2]int, unread [2][]byte, s RelayState) {
	e := m.homes[at]
	m.r = &Relay{OnEnd: func(r *Relay) {
		m.moved[0], m.moved[1] = r.Moved()
		m.why = r.Why()
		m.ends.Add(1)
	}}
	a := got(Attach(e.n, int32(fds[0]), false, unread[0]))
	b := got(Attach(e.n, int32(fds[1]), false, unread[1]))
	m.at.Store(at)
	m.r.Continue(a, b, 0, s)
}

func (m *mover) move() {
	if m.r.why != 0 || m.r.move != nil {
		return
	}
	if m.r.busy() {
		m.bulks++
	}
	if m.moves++; m.moves%7 == 3 {
		m.r.Detach(func(*Relay) { m.fault = fmt.Errorf("told of a detachment that was taken back") })
		m.stays++
		m.r.Resume()
		return
	}
	m.r.Detach(m.gone)
}

func (m *mover) gone(r *Relay) {
	here := m.homes[m.at.Load()]
	var fds [2]int
	var unread [2][]byte
	for i := range r.flows {
		fds[i] = got(here.l.Sockets().Dup(r.flows[i].src.FD()))
		unread[i] = r.flows[i].src.AppendUnread(nil)
	}
	s := r.State()
	if m.moves%5 == 1 { // whoever should have had it has died
		for _, fd := range fds {
			must(here.l.Sockets().Close(fd))
		}
		m.stays++
		r.Resume()
		return
	}
	r.Close()
	next := 1 - m.at.Load()
	m.at.Store(-1)
	m.homes[next].l.Post(func() { m.place(next, fds, unread, s) })
}

// TestRelayMovesBetweenMessages moves a relay between loops while two streams go through it, small messages and bulks in turn. No
// byte is lost or repeated, the totals are right, and ends are passed on.
func TestRelayMovesBetweenMessages(t *testing.T) {
	for i, from := range drivers {
		for _, to := range drivers[i:] {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				for _, probe := range [...]func() error{from.probe, to.probe} {
					if err := probe(); err != nil {
						t.Skip("needs io_uring as of Linux 6.1: ", err)
					}
				}
				before := openFiles(t)
				m := &mover{homes: []*env{start(t, from.open), start(t, to.open)}}
				m.homes[1].t = t
				moveAround(t, m)
				for _, e := range m.homes {
					e.finish()
				}
				eventually(t, "descriptors are closed", func() bool { return openFiles(t) <= before })
			})
		}
	}
}

// halfPair is a TCP connection whose one end is a bare descriptor.
func halfPair(e *env) (*net.TCPConn, int) {
	ln := got(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	peer := got(net.Dial("tcp", ln.Addr().String()))
	accepted := got(ln.Accept()).(*net.TCPConn)
	defer accepted.Close()
	fd := -1
	must(got(accepted.SyscallConn()).Control(func(n uintptr) { fd = got(e.l.Sockets().Dup(int(n))) }))
	return peer.(*net.TCPConn), fd
}

func moveAround(t *testing.T, m *mover) {
	a, fdA := halfPair(m.homes[0])
	b, fdB := halfPair(m.homes[0])
	m.homes[0].l.On(func() { m.place(0, [2]int{fdA, fdB}, [2][]byte{}, RelayState{}) })
	const there, back = 24 << 20, 6 << 20
	results := make(chan error, 4)
	go func() { results <- sendInBursts(a, there, 1) }()
	go func() { results <- sendInBursts(b, back, 2) }()
	go func() { results <- receiveAll(b, there) }()
	go func() { results <- receiveAll(a, back) }()
	limit := time.After(patience)
	for left := 4; left > 0 || m.ends.Load() == 0; time.Sleep(50 * time.Microsecond) {
		select {
		case err := <-results:
			if left--; err != nil {
				t.Fatalf("after %d moves: %v", m.moves, err)
			}
		case <-limit:
			t.Fatalf("it stands still after %d moves, with %d streams", m.moves, left)
		default:
		}
		for i, e := range m.homes {
			e.l.On(func() {
				if m.at.Load() == int32(i) {
					m.move()
				}
			})
		}
	}
	a.Close()
	b.Close()
	if m.fault != nil {
		t.Error(m.fault)
	}
	if m.why != RelayFinished || m.moved != [2]uint64{there, back} || m.ends.Load() != 1 {
		t.Errorf("it ended %d times, for reason %d, having moved %d", m.ends.Load(), m.why, m.moved)
	}
	if m.moves < 20 || m.stays == 0 || m.bulks == 0 {
		t.Errorf("%d moves, %d of them not carried out, %d out of a splice or a copy: the case tests nothing", m.moves, m.stays, m.bulks)
	}
}

// sendInBursts sends the pattern in pieces of very different sizes, and ends its side.
func sendInBursts(c *net.TCPConn, total int, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 3))
	for off := 0; off < total; {
		size := 1 + r.IntN(2000)
		if r.IntN(10) == 0 {
			size = 1 + r.IntN(1<<20)
		}
		n, err := c.Write(bytesAt(int64(off), min(size, total-off)))
		if off += n; err != nil {
			return err
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
		}
	}
	return c.CloseWrite()
}

func receiveAll(c net.Conn, total int) error {
	all, err := io.ReadAll(c)
	if err != nil || len(all) != total || string(all) != string(bytesAt(0, total)) {
		return fmt.Errorf("%d bytes of %d, or others (%v)", len(all), total, err)
	}
	return nil
}
