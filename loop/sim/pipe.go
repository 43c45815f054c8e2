package sim

import "github.com/ringway/ringway/sys"

// pipe is the buffer between the two ends of a pipe.
type pipe struct {
	data           []byte
	room           int
	noRead, noSend bool // that end has been closed
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
