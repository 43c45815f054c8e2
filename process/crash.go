package process

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/sys"
)

// Crash is the record of a worker that ended and was not meant to.
type Crash struct {
	Time       time.Time `json:"time"`
	Worker     uint64    `json:"worker"`
	PID        int       `json:"pid,omitempty"`
	Reason     string    `json:"reason"`
	Status     string    `json:"status,omitempty"` // exit status or signal
	ConfigHash string    `json:"config_hash,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	// Stack is what Go wrote as the process died: the reason, and the stack that it died on.
	Stack string `json:"stack,omitempty"`
}

const (
	// crashBytes is what of a dying worker's words is kept. The beginning matters: the reason, and the stack it died on.
	crashBytes = 64 << 10
	// maxCrashes is how many records are kept, the last ones.
	maxCrashes = 16
)

// newCrashMemory makes the file that Go writes into when a worker dies (debug.SetCrashOutput). It has its size already
// and cannot grow, so that a dump of a hundred thousand goroutines takes no more.
func newCrashMemory() (*os.File, error) {
	f, err := sys.Memfd("ringway crash")
	if err != nil {
		return nil, err
	}
	if err := sys.FixSize(f, crashBytes); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lastWords reads what a worker wrote as it died.
func lastWords(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, crashBytes))
	if err != nil {
		return ""
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(bytes.ToValidUTF8(b, []byte("?")))
}

// record keeps what is known of a worker that has ended, and logs it once.
func (m *master) record(a lifecycle.Record) {
	crash := Crash{Time: time.Now(), Worker: uint64(a.Worker), Reason: a.Reason}
	if c := m.children[a.Worker]; c != nil {
		crash.PID, crash.Status, crash.Started = c.proc.PID(), c.exit.String(), c.started
		crash.ConfigHash, crash.Stack = c.config.Hash(), lastWords(c.crash)
	}
	level := slog.LevelError
	if m.machine.Phase() == "ended" {
		level = slog.LevelDebug // the first one: the master ends, and says why
	}
	m.log.Log(context.Background(), level, "a worker has crashed", "worker", crash.Worker, "pid", crash.PID, "reason", crash.Reason, "status", crash.Status, "stack", crash.Stack)
	if m.crashes = append(m.crashes, crash); len(m.crashes) > maxCrashes {
		m.crashes = m.crashes[len(m.crashes)-maxCrashes:]
	}
}
