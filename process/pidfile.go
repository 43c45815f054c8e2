package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// writePIDFile writes the master's number, at once as a whole.
func (m *master) writePIDFile() error {
	path := m.o.PIDFile
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("PID file: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	if cerr := f.Chmod(0o644); err == nil {
		err = cerr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("PID file: %w", err)
	}
	m.pidFile = path
	return nil
}

// removePIDFile removes the file if the number in it is still ours.
func (m *master) removePIDFile() {
	if m.pidFile == "" {
		return
	}
	b, err := os.ReadFile(m.pidFile)
	if err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(m.pidFile)
	}
}
