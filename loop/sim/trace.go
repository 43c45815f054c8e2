package sim

import (
	"fmt"

	"github.com/ringway/ringway/loop"
)

// trace is what a run leaves: a hash of everything that was delivered while time passed, and the last of it as text.
type trace struct {
	hash  uint64
	count int
	limit int
	lines []string
}

// Hash tells runs apart: two with the same seed and the same code have the same.
func (w *World) Hash() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trace.hash
}

// Events is how many results have been delivered while time passed.
func (w *World) Events() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trace.count
}

// Trace is the last of what was delivered and done to the network, as Config.Trace asks, oldest first.
func (w *World) Trace() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.trace.lines...)
}

// note takes a result that is being delivered into the trace.
func (w *World) note(d *Driver, r result) {
	if w.mode != running {
		return
	}
	t := &w.trace
	t.count++
	for _, v := range [...]uint64{uint64(w.now), uint64(d.id), uint64(r.op.Code), uint64(uint32(r.op.FD)), uint64(uint32(r.r.N))} {
		t.hash = (t.hash ^ v) * 0x100000001b3
		t.hash ^= t.hash >> 29
	}
	if t.limit > 0 {
		w.say("loop %d: %s(%d) = %d", d.id, codeNames[r.op.Code], r.op.FD, r.r.N)
	}
}

var codeNames = map[loop.Code]string{
	loop.OpRecv: "recv", loop.OpSend: "send", loop.OpSendmsg: "sendmsg", loop.OpAccept: "accept", loop.OpConnect: "connect",
	loop.OpPoll: "poll", loop.OpClose: "close", loop.OpRecvmsg: "recvmsg", loop.OpForget: "forget",
}

// say adds a line to the trace.
func (w *World) say(format string, args ...any) {
	t := &w.trace
	if t.limit == 0 {
		return
	}
	if len(t.lines) >= t.limit {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, fmt.Sprintf("%12.6f ", float64(w.now)/1e9)+fmt.Sprintf(format, args...))
}
