package sim

import "github.com/ringway/ringway/sys"

// pipe is the buffer between the two ends of a pipe.
type pipe struct {
	data           []byte
	room           int
	noRead, noSend bool // that end has been closed
	ends           [2]*socket
}

// poke lets whoever waits on either end look again.
func (p *pipe) poke() {
	p.ends[0].poke()
	p.ends[1].poke()
}

// read takes bytes out: how many, 0 at the end, or -errno.
func (p *pipe) read(s *socket, b []byte) int32 {
	switch {
	case s.end:
		return -sys.EBADF
	case len(p.data) > 0:
		n := s.dice.part(copy(b, p.data), s.w.cfg.Faults.Short)
		p.data = append(p.data[:0], p.data[n:]...)
		p.poke()
		return int32(n)
	case p.noSend:
		return 0
	}
	return -sys.EAGAIN
}

// write puts bytes in: how many, or -errno.
func (p *pipe) write(s *socket, b []byte) int32 {
	switch {
	case !s.end:
		return -sys.EBADF
	case p.noRead:
		return -sys.EPIPE
	case len(p.data) >= p.room:
		return -sys.EAGAIN
	}
	n := s.dice.part(min(len(b), p.room-len(p.data)), s.w.cfg.Faults.Short)
	p.data = append(p.data, b[:n]...)
	p.poke()
	return int32(n)
}

func (p *pipe) revents(writing bool) int16 {
	var ev int16
	if writing {
		if len(p.data) < p.room {
			ev |= sys.POLLOUT
		}
		if p.noRead {
			ev |= sys.POLLERR
		}
		return ev
	}
	if len(p.data) > 0 {
		ev |= sys.POLLIN
	}
	if p.noSend {
		ev |= sys.POLLHUP
	}
	return ev
}

func (p *pipe) closed(writing bool) {
	if writing {
		p.noSend = true
	} else {
		p.noRead = true
	}
	p.poke()
}

// fill moves up to n bytes from a socket into the pipe.
func (p *pipe) fill(s *socket, n int) int32 {
	n = min(n, p.room-len(p.data))
	if n <= 0 {
		return -sys.EAGAIN
	}
	if len(s.rx) == 0 {
		return s.recv(nil)
	}
	n = s.dice.part(min(n, len(s.rx)), s.w.cfg.Faults.Short)
	p.data = append(p.data, s.rx[:n]...)
	s.take(n)
	return int32(n)
}

// drain moves up to n bytes from the pipe to a socket.
func (p *pipe) drain(s *socket, n int) int32 {
	n = min(n, len(p.data))
	if n == 0 {
		if p.noSend {
			return 0
		}
		return -sys.EAGAIN
	}
	m := s.send(p.data[:n])
	if m > 0 {
		p.data = append(p.data[:0], p.data[m:]...)
	}
	return m
}
