package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// TestFilesOverStreams passes descriptors with bytes of a stream, more bytes than the socket has room for.
func TestFilesOverStreams(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b, err := StreamPair(e.n)
			must(err)
			near, far, err := StreamPair(e.n)
			must(err)
			const size = 3 << 20
			h := e.spawn("sender", func(*loop.Task) {
				if n := got(a.SendFiles(bytesAt(0, size), []int{far.FD()})); n != size {
					failf("%d bytes sent", n)
				}
				e.closeAll(e.l.Current(), far, a)
			})
			buf, all := make([]byte, 100<<10), []int(nil)
			read := int64(0)
			for {
				n, fds, err := b.ReceiveFiles(buf)
				if err == io.EOF {
					break
				}
				must(err)
				checkAt(read, buf[:n])
				read += int64(n)
				all = append(all, fds...)
			}
			join(t, h)
			if read != size || len(all) != 1 {
				failf("%d bytes and %d descriptors came", read, len(all))
			}
			received := New(e.n, int32(all[0]), true)
			got(near.Write([]byte("through it")))
			readText(received, "through it", false)
			e.closeAll(t, near, received, b)
		})
	})
}

// TestReceiveFilesWaits: by deadline and cancel, and the connection reads on by other means.
func TestReceiveFilesWaits(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b, err := StreamPair(e.n)
			must(err)
			buf := make([]byte, 16)
			b.SetReadTimeout(3 * time.Millisecond)
			if _, _, err := b.ReceiveFiles(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("%v", err)
			}
			b.SetReadTimeout(0)
			why := errors.New("enough")
			h := e.spawn("reader", func(*loop.Task) {
				if _, _, err := b.ReceiveFiles(buf); err != why {
					failf("%v", err)
				}
			})
			e.parked(t, "reader")
			e.l.Cancel(h, why)
			join(t, h)
			got(a.Write([]byte("plain")))
			if n, fds, err := b.ReceiveFiles(buf); err != nil || string(buf[:n]) != "plain" || fds != nil {
				failf("%q, %v, %v", buf[:n], fds, err)
			}
			got(a.Write([]byte("held back")))
			readText(b, "held ", false)
			if n, _, err := b.ReceiveFiles(buf); err != nil || string(buf[:n]) != "back" {
				failf("%q, %v", buf[:n], err)
			}
			if _, err := a.SendFiles(nil, nil); !errors.Is(err, ErrNoBytes) {
				failf("%v", err)
			}
			e.closeAll(t, a)
			if _, _, err := b.ReceiveFiles(buf); err != io.EOF {
				failf("at the end: %v", err)
			}
			e.closeAll(t, b)
			if _, _, err := b.ReceiveFiles(buf); !errors.Is(err, net.ErrClosed) {
				failf("after Close: %v", err)
			}
		})
	})
}

// TestUnixWithNet has package net on the other end: credentials, a descriptor received and one sent, an abstract name.
func TestUnixWithNet(t *testing.T) {
	eachDriver(t, func(e *env) {
		path := "@ringway-net-" + filepath.Base(e.t.TempDir()) + e.l.DriverName()
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			e.t.Fatal(err)
		}
		defer ln.Close()
		peer := make(chan error, 1)
		go func() { peer <- returnFile(ln) }()
		e.run(func(t *loop.Task) {
			addr := got(NewAddress("unix:" + path))
			c := got(Dial(e.n, &addr, patience))
			who := got(c.Credentials())
			if who.PID != os.Getpid() || who.UID != uint32(os.Getuid()) {
				failf("%+v", who)
			}
			r, w, err := Pipe(e.n, 0)
			must(err)
			got(c.SendFiles([]byte("w"), []int{w.FD()}))
			must(w.Close())
			buf := make([]byte, 32)
			n, fds, err := c.ReceiveFiles(buf)
			if err != nil || string(buf[:n]) != "back" || len(fds) != 1 {
				failf("%q, %v, %v", buf[:n], fds, err)
			}
			back := got(NewPipeEnd(e.n, fds[0]))
			got(back.Write([]byte("and more")))
			must(back.Close())
			if all := got(io.ReadAll(r)); string(all) != "from the peer, and more" {
				failf("%q", all)
			}
			must(r.Close())
			e.closeAll(t, c)
		})
		if err := <-peer; err != nil {
			e.t.Error(err)
		}
	})
}

// returnFile accepts a connection, writes to the descriptor that comes over it, and sends it back.
func returnFile(ln *net.UnixListener) error {
	c, err := ln.AcceptUnix()
	if err != nil {
		return err
	}
	defer c.Close()
	oob := make([]byte, sys.RightsSpace(1))
	_, oobn, _, _, err := c.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return err
	}
	fds, err := sys.ParseRights(oob[:oobn])
	if err != nil || len(fds) != 1 {
		return errors.Join(err, errors.New("one descriptor was to come"))
	}
	defer syscall.Close(fds[0])
	if _, err := syscall.Write(fds[0], []byte("from the peer, ")); err != nil {
		return err
	}
	_, _, err = c.WriteMsgUnix([]byte("back"), sys.Rights(fds), nil)
	return err
}

// TestCloseRead ends one direction; what had come is dropped, and the other goes on.
func TestCloseRead(t *testing.T) {
	eachReceive(t, func(e *env) {
		for _, pair := range []func(*loop.Task) (a, b *Conn){e.pair, e.unixPair} {
			e.run(func(t *loop.Task) {
				a, b := pair(t)
				got(b.Write([]byte("dropped")))
				if p := got(a.ReadBuf()); len(p) == 0 {
					failf("nothing came")
				}
				must(a.CloseRead())
				must(a.CloseRead()) // twice is once
				for range 2 {
					if _, err := a.Read(make([]byte, 1)); err != io.EOF {
						failf("read after CloseRead: %v", err)
					}
				}
				got(a.Write([]byte("still heard")))
				readText(b, "still heard", false)
				e.closeAll(t, a, b)
				if err := a.CloseRead(); !errors.Is(err, net.ErrClosed) {
					failf("CloseRead after Close: %v", err)
				}

				a, b = pair(t)
				h := e.spawn("reader", func(*loop.Task) {
					if _, err := a.ReadBuf(); err != io.EOF {
						failf("a read during CloseRead: %v", err)
					}
				})
				e.parked(t, "reader")
				must(a.CloseRead())
				join(t, h)
				e.closeAll(t, a, b)
			})
		}
	})
}

// TestReadEndsAtDescriptors: a read of a Unix stream ends with a message that carries descriptors; what follows must come
// without anything else happening.
func TestReadEndsAtDescriptors(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b, err := StreamPair(e.n)
			must(err)
			f, err := os.Open("/dev/null")
			must(err)
			defer f.Close()
			for range 3 {
				got(a.SendFiles([]byte("x"), []int{int(f.Fd())}))
			}
			got(a.Write([]byte("end")))
			b.SetReadTimeout(5 * time.Second)
			p := make([]byte, 64)
			for total := 0; total < 6; {
				total += got(b.Read(p))
			}
			e.closeAll(t, a, b)
		})
	})
}
