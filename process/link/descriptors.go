package link

import "github.com/ringway/ringway/sys"

// Descriptors are descriptors that came with a message. All are closed on exec. They are used by one goroutine.
type Descriptors struct{ fds []int }

// Len is how many there are still.
func (d *Descriptors) Len() int { return len(d.fds) }

// Take gives the first n to the caller, whose they are from now on. It panics if there are fewer: the message said how
// many came, and was refused where that was not so.
func (d *Descriptors) Take(n int) []int {
	taken := d.fds[:n:n]
	d.fds = d.fds[n:]
	return taken
}

// Close closes those that were not taken.
func (d *Descriptors) Close() {
	closeAll(d.fds)
	d.fds = nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = sys.Close(fd)
	}
}
