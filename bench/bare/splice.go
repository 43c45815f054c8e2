package main

import (
	"math"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// spliceHalves starts a task for each direction.
func spliceHalves(c, u *conn.Conn) {
	open := 2
	for _, h := range []*half{{from: c, to: u}, {from: u, to: c}} {
		c.Net().Loop.Go("splice", func(t *loop.Task) {
			_, _ = conn.Splice(t, h.to, h.from, math.MaxInt64, nil) // it ends with its source, or with an error
			_ = h.to.CloseWrite()
			if open--; open == 0 {
				_ = c.Close()
				_ = u.Close()
			}
		})
	}
}
