package acme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

// storage is a folder with accounts, keys and certificates. It counts the locks that this process holds, so that it can see to
// it that they are given back before it ends: others would wait until they look forgotten.
type storage struct {
	*certmagic.FileStorage
	held   atomic.Int32
	busy   atomic.Int32 // with writing
	closed atomic.Bool  // nothing more is written, and no more locks are taken
}

// StorageError says that a folder is of no use.
type StorageError struct {
	Dir string
	Err error
}

// Error tells who could not write, and what to do about it.
func (e *StorageError) Error() string {
	why := e.Err
	var p *os.PathError
	if errors.As(why, &p) {
		why = p.Err // it names a file of ours
	}
	return fmt.Sprintf("the folder for certificates, %s, cannot be written by %s, whom the gateway runs as: %v; make it that user's, or set tls.acme.storage", e.Dir, userName(), why)
}

// Unwrap is the reason.
func (e *StorageError) Unwrap() error { return e.Err }

func userName() string {
	id := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("user %s (%s)", u.Username, id)
	}
	return "user " + id
}

// openStorage makes the folder if it is not there, and tries whether it can be written: it is better to hear so at the start
// than when a certificate has been issued.
func openStorage(dir string) (*storage, error) {
	if dir == "" {
		dir = defaultStorage()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &StorageError{dir, err}
	}
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return nil, &StorageError{dir, err}
	}
	_, err = f.WriteString("written to see whether it can be\n")
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return nil, &StorageError{dir, err}
	}
	return &storage{FileStorage: &certmagic.FileStorage{Path: dir}}, nil
}

// defaultStorage is where a service of this user keeps what must outlive it.
func defaultStorage() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(dir) { // systemd makes it
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/ringway"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ringway")
	}
	home := os.Getenv("HOME")
	if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
		home = u.HomeDir // the master's environment may be another user's
	}
	return filepath.Join(home, ".local", "share", "ringway")
}

// Lock waits for a lock among all processes that share the folder.
func (s *storage) Lock(ctx context.Context, name string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.busy.Add(-1)
	err := s.FileStorage.Lock(ctx, name)
	if err == nil {
		s.held.Add(1)
	}
	return err
}

// TryLock takes a lock if it is free.
func (s *storage) TryLock(ctx context.Context, name string) (bool, error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.busy.Add(-1)
	ok, err := s.FileStorage.TryLock(ctx, name)
	if ok && err == nil {
		s.held.Add(1)
	}
	return ok, err
}

// Store writes a value.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.busy.Add(-1)
	return s.FileStorage.Store(ctx, key, value)
}

// enter begins what close waits for; an error says that it is too late for that. busy is to be lowered afterwards.
func (s *storage) enter() error {
	s.busy.Add(1)
	if s.closed.Load() {
		s.busy.Add(-1)
		return errClosed
	}
	return nil
}

// Unlock gives a lock back.
func (s *storage) Unlock(ctx context.Context, name string) error {
	s.held.Add(-1)
	return s.FileStorage.Unlock(ctx, name)
}

// close lets nothing more begin, and waits until nothing is written and no lock is held, but not for ever. certmagic's renewals are not
// waited for otherwise.
func (s *storage) close(limit time.Duration) {
	s.closed.Store(true)
	for end := time.Now().Add(limit); (s.held.Load() > 0 || s.busy.Load() > 0) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// missing reports whether err says that something is not in the folder.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

var _ certmagic.Storage = (*storage)(nil)
