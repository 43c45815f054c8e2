package file_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/file"
)

// copyFile copies a file in a task, and lets the copy appear under its name only when it is whole and on the disk.
func copyFile(t *loop.Task, to, from string) (n int64, err error) {
	src, err := file.Open(t, from)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	dst, err := file.Create(t, to+".part", 0o600)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(dst, 256<<10) // each call goes to another thread, so a few large ones
	n, err = io.Copy(w, bufio.NewReaderSize(src, 256<<10))
	for _, next := range []func() error{w.Flush, dst.Sync, dst.Close} {
		if err == nil {
			err = next()
		}
	}
	if err != nil {
		_ = dst.Close() // a second time does no harm
		_ = file.Remove(t, to+".part")
		return n, err
	}
	return n, file.Rename(t, to+".part", to)
}

// A file is copied while the loop does other work.
func Example() {
	dir, err := os.MkdirTemp("", "copy")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, make([]byte, 3<<20), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	loop.SetMaxProcs(1)
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan struct{})
	l.Post(func() {
		l.Go("copy", func(t *loop.Task) {
			defer close(ended)
			n, err := copyFile(t, to, from)
			fmt.Println(n, err)
			list, err := file.ReadDir(t, dir)
			for _, entry := range list {
				fmt.Println(entry.Name(), err)
			}
		})
	})
	<-ended
	l.Stop(time.Second)
	_ = l.Wait()
	// Output:
	// 3145728 <nil>
	// from <nil>
	// to <nil>
}
