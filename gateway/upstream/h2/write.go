package h2

import (
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// maxPending is how many bytes may wait to be sent before bodies have to wait: enough for the kernel to be busy with, and few
// enough for the head of another request not to wait long behind them.
const maxPending = 48 << 10

// kick has what is pending sent, by a task that runs when those that run now are done.
func (c *Conn) kick() {
	if !c.writing && !c.over && c.m.Backlog() > 0 {
		c.writing = true
		c.loop.Spawn("http2 send", (*writer)(c))
	}
}

// writer is a connection as the task that sends.
type writer Conn

// Run hands over what is pending until nothing is left, as a task.
func (w *writer) Run(*loop.Task) {
	c := (*Conn)(w)
	for c.m.Backlog() > 0 && !c.over {
		if err := c.write(); err != nil {
			c.writing = false
			c.end(err)
			c.close()
			return
		}
		c.wakeSenders()
	}
	c.writing = false
	c.close()
	c.settle()
}

// close finishes what was ended while the task wrote.
func (c *Conn) close() {
	if c.err == nil {
		return
	}
	c.finish()
	c.m.Close()
}

// write hands over what is pending. It waits for the write before first, since more comes together meanwhile.
func (c *Conn) write() error {
	c.io.SetWriteTimeout(c.cfg.Write)
	if err := c.io.Flush(); err != nil {
		return err
	}
	p := c.m.Pending()
	if len(p) > conn.SmallBlock {
		n, err := c.io.Write(p)
		c.m.Wrote(n)
		return err
	}
	b := c.io.Net().Small()
	if b == nil {
		n, err := c.io.Write(p)
		c.m.Wrote(n)
		return err
	}
	b.Len = copy(b.Bytes, p)
	c.m.Wrote(b.Len)
	return c.io.Send(b)
}
