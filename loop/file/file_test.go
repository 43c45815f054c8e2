package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/file"
	"github.com/ringway/ringway/loop/uring"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// onLoops runs f as a task on a loop of each driver, and with a blocking pool that is none, and sees that it leaves no
// descriptor open.
func onLoops(t *testing.T, f func(t *testing.T, task *loop.Task)) {
	drivers := map[string]loop.NewDriver{"epoll": epoll.New}
	if err := uring.Probe(); err != nil {
		t.Logf("without io_uring, which cannot be used here: %v", err)
	} else {
		drivers["uring"] = uring.New
	}
	for name, open := range drivers {
		cfg := loop.DefaultConfig(0, open)
		cfg.Log = slog.New(slog.DiscardHandler)
		t.Run(name, func(t *testing.T) { onLoop(t, cfg, f) })
		cfg.Blocking = loop.NewBlocking(loop.BlockingLimits{Inline: true})
		t.Run(name+" inline", func(t *testing.T) {
			onLoop(t, cfg, func(t *testing.T, task *loop.Task) {
				file.Use(task.Loop(), file.Offloaded{})
				f(t, task)
			})
		})
	}
}

func onLoop(t *testing.T, cfg loop.Config, f func(t *testing.T, task *loop.Task)) {
	loop.SetMaxProcs(1)
	_ = descriptors(t) // Go's poller opens some at its first use
	before := descriptors(t)
	l, err := loop.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan any, 1)
	l.Post(func() {
		l.Go("test", func(task *loop.Task) {
			defer func() { ended <- recover() }()
			f(t, task)
		})
	})
	select {
	case v := <-ended:
		if v != nil {
			t.Errorf("the task panicked: %v", v)
		}
	case <-time.After(patience):
		t.Fatal("the task did not end")
	}
	l.Stop(patience)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were open before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	time.Sleep(time.Microsecond)
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// bad reports an error; tests in tasks go on, since Fatal would end the loop.
func bad(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err != nil
}

func TestReadAndWrite(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		name := filepath.Join(t.TempDir(), "f")
		f, err := file.Create(task, name, 0o640)
		if bad(t, err) {
			return
		}
		content := make([]byte, 300_000)
		for i := range content {
			content[i] = byte(rand.Uint32())
		}
		n, err := f.WriteAt(content[100_000:], 100_000)
		if n != 200_000 || bad(t, err) {
			t.Errorf("wrote %d", n)
		}
		if n, err := f.Write(content[:100_000]); n != 100_000 || bad(t, err) {
			t.Errorf("wrote %d", n)
		}
		bad(t, f.Sync())
		whole := make([]byte, len(content))
		if at, err := f.Seek(0, io.SeekStart); at != 0 || bad(t, err) {
			t.Errorf("at %d", at)
		}
		if _, err := io.ReadFull(f, whole); err != nil || !bytes.Equal(whole, content) {
			t.Errorf("the file holds something else: %v", err)
		}
		got := make([]byte, 1000)
		if n, err := f.ReadAt(got, 299_500); n != 500 || err != io.EOF || !bytes.Equal(got[:n], content[299_500:]) {
			t.Errorf("read %d at the end: %v", n, err)
		}
		bad(t, f.Truncate(2000))
		if at, err := f.Seek(0, io.SeekStart); at != 0 || bad(t, err) {
			t.Errorf("at %d", at)
		}
		if err := iotest.TestReader(f, content[:2000]); err != nil { // reads, seeks and reads at in many ways
			t.Error(err)
		}
		bad(t, f.Truncate(7))
		if info, err := f.Stat(); err != nil || info.Size() != 7 || info.Mode() != 0o640 || info.Name() != "f" {
			t.Errorf("%+v, %v", info, err)
		}
		if at, err := f.Seek(-3, io.SeekEnd); at != 4 || err != nil {
			t.Errorf("at %d: %v", at, err)
		}
		if _, err := f.Seek(-5, io.SeekCurrent); !errors.Is(err, file.ErrNegative) {
			t.Errorf("before the beginning: %v", err)
		}
		if _, err := f.Seek(0, 3); err == nil {
			t.Error("there is no whence 3")
		}
		if n, err := f.Read(nil); n != 0 || err != nil {
			t.Errorf("read nothing: %d, %v", n, err)
		}
		bad(t, f.Close())
		if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, content[:7]) || f.Name() != name {
			t.Errorf("%d bytes are kept in %s: %v", len(kept), f.Name(), err)
		}
	})
}

func TestAppend(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		name := filepath.Join(t.TempDir(), "log")
		bad(t, os.WriteFile(name, []byte("old "), 0o600))
		f, err := file.OpenFile(task, name, os.O_WRONLY|os.O_APPEND, 0)
		if bad(t, err) {
			return
		}
		for range 3 {
			if n, err := f.Write([]byte("new ")); n != 4 || err != nil {
				t.Error(n, err)
			}
		}
		if _, err := f.WriteAt([]byte("x"), 0); err == nil {
			t.Error("a file that is appended to was written elsewhere")
		}
		bad(t, f.Close())
		if text, _ := os.ReadFile(name); string(text) != "old new new new " {
			t.Errorf("%q", text)
		}
	})
}

func TestPaths(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		dir := t.TempDir()
		in := func(name string) string { return filepath.Join(dir, name) }
		bad(t, file.Mkdir(task, in("d"), 0o700))
		bad(t, os.WriteFile(in("a"), []byte("abc"), 0o600))
		bad(t, file.Rename(task, in("a"), in("d/b")))
		bad(t, file.Symlink(task, "d/b", in("link")))
		if target, err := file.Readlink(task, in("link")); target != "d/b" || err != nil {
			t.Errorf("the link leads to %q, %v", target, err)
		}
		if info, err := file.Stat(task, in("link")); err != nil || info.Size() != 3 || !info.Mode().IsRegular() {
			t.Errorf("%+v, %v", info, err)
		}
		if info, err := file.Lstat(task, in("link")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%+v, %v", info, err)
		}
		var names []string
		list, err := file.ReadDir(task, dir)
		for _, e := range list {
			names = append(names, e.Name())
		}
		if fmt.Sprint(names) != "[d link]" || err != nil {
			t.Errorf("the directory has %v, %v", names, err)
		}
		if err := file.Remove(task, in("d")); !errors.Is(err, syscall.ENOTEMPTY) {
			t.Errorf("a filled directory: %v", err)
		}
		for _, name := range []string{"link", "d/b", "d"} {
			bad(t, file.Remove(task, in(name)))
		}
		if list, _ := os.ReadDir(dir); len(list) > 0 {
			t.Errorf("%v is left", list)
		}
	})
}

func TestErrorsAreThoseOfPackageOS(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		dir := t.TempDir()
		missing := filepath.Join(dir, "missing")
		_, openErr := file.Open(task, missing)
		_, statErr := file.Stat(task, missing)
		_, linkErr := file.Readlink(task, missing)
		_, listErr := file.ReadDir(task, missing)
		for what, err := range map[string]error{
			"open": openErr, "stat": statErr, "readlink": linkErr, "readdir": listErr,
			"rename": file.Rename(task, missing, missing+"2"), "remove": file.Remove(task, missing),
			"mkdir":   file.Mkdir(task, missing+"/below", 0o700),
			"symlink": file.Symlink(task, "x", missing+"/below"),
		} {
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
				t.Errorf("%s of what is missing: %v", what, err)
			}
		}
		if err := file.Mkdir(task, dir, 0o700); !errors.Is(err, fs.ErrExist) {
			t.Errorf("mkdir of what is there: %v", err)
		}
		f, err := file.Create(task, filepath.Join(dir, "f"), 0o600)
		if bad(t, err) {
			return
		}
		bad(t, f.Close())
		_, readErr := f.Read(make([]byte, 1))
		_, readAtErr := f.ReadAt(make([]byte, 1), 0)
		_, writeErr := f.Write([]byte("x"))
		_, writeAtErr := f.WriteAt([]byte("x"), 0)
		_, infoErr := f.Stat()
		_, seekErr := f.Seek(0, io.SeekStart)
		for what, err := range map[string]error{"read": readErr, "read at": readAtErr, "write": writeErr, "write at": writeAtErr, "stat": infoErr,
			"seek": seekErr, "sync": f.Sync(), "truncate": f.Truncate(0), "close": f.Close()} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s of a closed file: %v", what, err)
			}
		}
	})
}

// While a file operation waits, the loop turns. Opening a FIFO waits until its other end is opened.
func TestTheLoopGoesOn(t *testing.T) {
	loopOnly(t, loop.DefaultBlockingLimits(), func(t *testing.T, main *loop.Task) {
		l := main.Loop()
		fifo := filepath.Join(t.TempDir(), "fifo")
		bad(t, syscall.Mkfifo(fifo, 0o600))
		opened := false
		h := l.Go("opens", func(task *loop.Task) {
			f, err := file.Open(task, fifo)
			if opened = true; bad(t, err) {
				return
			}
			bad(t, f.Close())
		})
		for range 5 {
			_ = main.Sleep(time.Millisecond)
		}
		if opened {
			t.Error("a FIFO opened without its other end")
		}
		other, err := file.OpenFile(main, fifo, os.O_WRONLY, 0)
		bad(t, err)
		_ = main.Join(h)
		bad(t, other.Close())
	})
}

// loopOnly runs f as a task with a blocking pool of its own.
func loopOnly(t *testing.T, limits loop.BlockingLimits, f func(t *testing.T, task *loop.Task)) {
	cfg := loop.DefaultConfig(0, epoll.New)
	cfg.Log = slog.New(slog.DiscardHandler)
	cfg.Blocking = loop.NewBlocking(limits)
	defer cfg.Blocking.Close()
	onLoop(t, cfg, f)
}

// A cancelled task begins nothing, and what it has begun is waited for.
func TestCancel(t *testing.T) {
	cause := errors.New("cause")
	loopOnly(t, loop.DefaultBlockingLimits(), func(t *testing.T, main *loop.Task) {
		l, dir := main.Loop(), t.TempDir()
		fifo, name := filepath.Join(dir, "fifo"), filepath.Join(dir, "f")
		bad(t, syscall.Mkfifo(fifo, 0o600))
		h := l.Go("cancelled", func(task *loop.Task) {
			kept, err := file.Create(task, name, 0o600)
			if bad(t, err) {
				return
			}
			f, err := file.Open(task, fifo) // cancelled meanwhile
			if err != nil || task.Cause() != cause {
				t.Errorf("what had begun gave %v, the cause is %v", err, task.Cause())
				return
			}
			if _, err := kept.Write([]byte("x")); err != cause {
				t.Errorf("Write gave %v", err)
			}
			if err := file.Remove(task, name); err != cause {
				t.Errorf("Remove gave %v", err)
			}
			if _, err := file.Open(task, name); err != cause {
				t.Errorf("Open gave %v", err)
			}
			bad(t, kept.Close()) // a file can be closed all the same
			bad(t, f.Close())
		})
		_ = main.Sleep(5 * time.Millisecond)
		l.Cancel(h, cause)
		_ = main.Sleep(5 * time.Millisecond)
		if h.Done() {
			t.Error("the task ended while its operation went on")
		}
		other, err := file.OpenFile(main, fifo, os.O_WRONLY, 0)
		bad(t, err)
		_ = main.Join(h)
		bad(t, other.Close())
		if info, err := os.Stat(name); err != nil || info.Size() != 0 {
			t.Errorf("a cancelled task wrote or removed a file: %v", err)
		}
	})
}

// Where the pool is full, calls fail and have done nothing, but a file is closed.
func TestPoolIsFull(t *testing.T) {
	loopOnly(t, loop.BlockingLimits{Workers: 1, Queue: 1}, func(t *testing.T, main *loop.Task) {
		l, name := main.Loop(), filepath.Join(t.TempDir(), "f")
		f, err := file.Create(main, name, 0o600)
		if bad(t, err) {
			return
		}
		release, running := make(chan struct{}), make(chan struct{})
		first := l.Go("works", func(task *loop.Task) {
			bad(t, task.Offload(func() error { close(running); <-release; return nil }))
		})
		_ = main.Yield()
		<-running // a loop never waits like this; here the worker is sure to come
		second := l.Go("queues", func(task *loop.Task) { bad(t, task.Offload(func() error { return nil })) })
		_ = main.Yield()
		if err := file.Remove(main, name); !errors.Is(err, loop.ErrOffloadFull) {
			t.Errorf("Remove gave %v", err)
		}
		bad(t, f.Close()) // onLoop sees whether the descriptor is closed
		close(release)
		_ = main.Join(first)
		_ = main.Join(second)
		if _, err := os.Stat(name); err != nil {
			t.Error("what failed had removed the file")
		}
	})
}

// The position is moved by one task at a time, so that lines written by many stay whole and none is lost.
func TestTasksShareAFile(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		const tasks, lines = 8, 20
		name := filepath.Join(t.TempDir(), "f")
		f, err := file.Create(task, name, 0o600)
		if bad(t, err) {
			return
		}
		bad(t, loop.WithScope(task, func(s *loop.Scope) error {
			for i := range tasks {
				s.Go("writer", func(*loop.Task) error {
					for n := range lines {
						if _, err := fmt.Fprintf(f, "%d %d\n", i, n); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return s.Wait()
		}))
		bad(t, f.Close())
		text, _ := os.ReadFile(name)
		next := map[int]int{}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			var i, n int
			if _, err := fmt.Sscanf(line, "%d %d", &i, &n); err != nil || next[i] != n {
				t.Errorf("line %q, of that writer number %d was due", line, next[i])
			}
			next[i]++
		}
		if len(next) != tasks || strings.Count(string(text), "\n") != tasks*lines {
			t.Errorf("%d lines of %d writers", strings.Count(string(text), "\n"), len(next))
		}
	})
}

// counting is a System that counts, and lets another do the work.
type counting struct {
	file.System
	opened int
}

func (c *counting) Open(t *loop.Task, name string, flag int, perm fs.FileMode) (file.Descriptor, error) {
	c.opened++
	return c.System.Open(t, name, flag, perm)
}

func TestUse(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		c := &counting{System: file.Offloaded{}}
		file.Use(task.Loop(), c)
		f, err := file.Create(task, filepath.Join(t.TempDir(), "f"), 0o600)
		if bad(t, err) {
			return
		}
		bad(t, f.Close())
		if c.opened != 1 {
			t.Errorf("the System in use opened %d files", c.opened)
		}
	})
}

func TestOutsideATask(t *testing.T) {
	onLoops(t, func(t *testing.T, task *loop.Task) {
		f, err := file.Create(task, filepath.Join(t.TempDir(), "f"), 0o600)
		if bad(t, err) {
			return
		}
		done := loop.NewChan[string](1)
		task.Loop().Post(func() {
			defer func() { done.TrySend(fmt.Sprint(recover())) }()
			_, _ = f.Read(make([]byte, 1))
		})
		if v, _, err := done.Recv(task); err != nil || !strings.Contains(v, "outside a task") {
			t.Errorf("a posted function that reads got %q", v)
		}
		bad(t, f.Close())
	})
}
