package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ringway/ringway/sys"
)

// pidFile is the file with the master's number. It is written when the first worker is ready, because a master that does not
// come so far may have been started by mistake beside the one whose file it is.
type pidFile struct {
	path     string
	prepared string // where its content waits for that, beside it
	written  bool
}

// preparePIDFile does all about the PID file that can fail, and refuses to take it from another master that lives.
func (m *master) preparePIDFile() error {
	path := m.o.PIDFile
	if path == "" {
		return nil
	}
	if pid := masterOf(path); pid != 0 {
		return fmt.Errorf("%w: pid %d, in the PID file %s", ErrRunning, pid, path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("PID file: %w", err)
	}
	m.pid = pidFile{path: path, prepared: f.Name()}
	_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return fmt.Errorf("PID file: %w", err)
	}
	return nil
}

// masterOf is the number in a PID file if that is another process that lives, and by its name a master as this one is; else 0.
// The file of one that was killed may name a process by now that has nothing to do with it.
func masterOf(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 || pid == os.Getpid() || !sys.IsAlive(pid) {
		return 0
	}
	theirs, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return 0
	}
	if ours, err := os.ReadFile("/proc/self/comm"); err != nil || !bytes.Equal(ours, theirs) {
		return 0
	}
	return pid
}

// write puts the prepared file in place, at once as a whole.
func (p *pidFile) write() error {
	if p.prepared == "" {
		return nil
	}
	if err := os.Rename(p.prepared, p.path); err != nil {
		return fmt.Errorf("PID file: %w", err)
	}
	p.prepared, p.written = "", true
	return nil
}

// remove removes what was written, if the number in it is still ours, or prepared.
func (p *pidFile) remove() {
	if p.prepared != "" {
		_ = os.Remove(p.prepared)
	}
	if !p.written {
		return
	}
	b, err := os.ReadFile(p.path)
	if err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(p.path)
	}
}
