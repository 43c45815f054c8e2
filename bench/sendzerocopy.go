package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// What package syscall does not name, see linux/socket.h and linux/errqueue.h.
const (
	soZeroCopy         = 60        // SO_ZEROCOPY
	msgZeroCopy        = 0x4000000 // MSG_ZEROCOPY
	originZeroCopy     = 5         // SO_EE_ORIGIN_ZEROCOPY
	codeZeroCopyCopied = 1         // SO_EE_CODE_ZEROCOPY_COPIED
	rusageThread       = 1         // RUSAGE_THREAD
	extendedErrSize    = 16        // struct sock_extended_err
)

// The shape of the measurement.
const (
	zeroCopyBytes  = 256 << 20 // moved with each size and way in a round
	zeroCopyBlocks = 8         // in which the ways take turns
	// window is what is sent until the reader says that it has it: both ways
	// wait for that alike, so that neither is charged for more sleeps.
	window         = 256 << 10
	completionWait = time.Second
)

// zeroCopy is a TCP connection over loopback whose sender counts completions.
type zeroCopy struct {
	fd int
	// sent and completed count sends with MSG_ZEROCOPY; copied, those of which
	// the kernel said that it had copied the data after all.
	sent, completed, copied uint32
}

// sendCost is what one way of sending took: the sending thread, and the whole
// process, which is the reader too.
type sendCost struct{ thread, both time.Duration }

// measureZeroCopy sends blocks of several sizes, with the flag and without in
// turn, and returns what it cost.
func measureZeroCopy() ([]figure, error) {
	var figures []figure
	for _, size := range []int{16 << 10, 64 << 10, 256 << 10, 1 << 20} {
		plain, zero, copied, err := compareSends(size, zeroCopyBytes)
		if err != nil {
			return nil, fmt.Errorf("blocks of %d: %w", size, err)
		}
		perMiB := func(d time.Duration) float64 { return micros(d) / (zeroCopyBytes >> 20) }
		way := fmt.Sprintf("%d KiB a send", size>>10)
		figures = append(figures,
			figure{Way: way, Column: "send, µs per MiB", Value: perMiB(plain.thread)},
			figure{Way: way, Column: "MSG_ZEROCOPY, µs per MiB", Value: perMiB(zero.thread)},
			figure{Way: way, Column: "MSG_ZEROCOPY ÷ send", Value: float64(zero.thread) / float64(plain.thread)},
			figure{Way: way, Column: "the same, reader included", Value: float64(zero.both) / float64(plain.both)},
			figure{Way: way, Column: "completions that say copied, %", Value: 100 * copied})
	}
	return figures, nil
}

// compareSends gives the cost of so many bytes in both ways, and the share of
// sends that were copied after all.
func compareSends(size, bytes int) (plain, zero sendCost, copied float64, err error) {
	z, closeAll, err := openZeroCopy()
	if err != nil {
		return plain, zero, 0, err
	}
	defer closeAll()
	block, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	if err != nil {
		return plain, zero, 0, err
	}
	defer syscall.Munmap(block)
	for range zeroCopyBlocks {
		if err := z.sendBlocks(block, bytes/zeroCopyBlocks, false, &plain); err != nil {
			return plain, zero, 0, err
		}
		if err := z.sendBlocks(block, bytes/zeroCopyBlocks, true, &zero); err != nil {
			return plain, zero, 0, err
		}
	}
	return plain, zero, float64(z.copied) / float64(max(z.completed, 1)), nil
}

// sendBlocks sends so many bytes one way, and adds what it took to cost.
func (z *zeroCopy) sendBlocks(block []byte, bytes int, flagged bool, cost *sendCost) error {
	before, err := spentNow()
	if err != nil {
		return err
	}
	for unread := 0; bytes > 0; bytes -= len(block) {
		if err := z.send(block, flagged); err != nil {
			return err
		}
		if unread += len(block); unread >= window {
			if err := z.awaitReader(unread); err != nil {
				return err
			}
			unread = 0
		}
	}
	after, err := spentNow()
	cost.thread += after.thread - before.thread
	cost.both += after.both - before.both
	return err
}

// awaitReader waits until the reader has read so many bytes, and takes the
// completions, which are there by then or soon.
func (z *zeroCopy) awaitReader(bytes int) error {
	for windows := bytes / window; windows > 0; {
		var read [8]byte
		n, err := syscall.Read(z.fd, read[:min(windows, len(read))])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		windows -= n
	}
	return z.awaitCompletions()
}

// openZeroCopy connects a sender, on this thread from now on, with a goroutine
// that reads everything and says so with a byte for each window.
func openZeroCopy() (*zeroCopy, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err == nil {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soZeroCopy, 1)
	}
	var reader net.Conn
	if err == nil {
		reader, err = listener.Accept()
	}
	if err != nil {
		syscall.Close(fd)
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		readWindows(reader)
	}()
	runtime.LockOSThread()
	return &zeroCopy{fd: fd}, func() {
		runtime.UnlockOSThread()
		syscall.Close(fd)
		<-ended
	}, nil
}

// readWindows reads to the end, and answers each window with a byte.
func readWindows(c net.Conn) {
	defer c.Close()
	for p := make([]byte, window); ; {
		if _, err := io.ReadFull(c, p); err != nil {
			return
		}
		if _, err := c.Write(p[:1]); err != nil {
			return
		}
	}
}

// send sends the whole block. Its bytes never change, so it may be sent again
// while the kernel holds it.
func (z *zeroCopy) send(block []byte, zero bool) error {
	flags := uintptr(0)
	if zero {
		flags = msgZeroCopy
	}
	for len(block) > 0 {
		n, _, errno := syscall.Syscall6(syscall.SYS_SENDTO, uintptr(z.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(block))), uintptr(len(block)), flags, 0, 0)
		switch errno {
		case 0:
			block = block[n:]
			if zero {
				z.sent++
			}
		case syscall.EINTR:
		default:
			return errno
		}
	}
	return nil
}

// awaitCompletions waits until all sends are completed.
func (z *zeroCopy) awaitCompletions() error {
	var control [1024]byte
	for start := time.Now(); z.sent != z.completed; {
		_, n, _, _, err := syscall.Recvmsg(z.fd, nil, control[:], syscall.MSG_ERRQUEUE)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			if time.Since(start) > completionWait {
				return fmt.Errorf("%d sends are not completed", z.sent-z.completed)
			}
			if err := z.waitForError(); err != nil {
				return err
			}
			continue
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		}
		messages, err := syscall.ParseSocketControlMessage(control[:n])
		if err != nil {
			return err
		}
		for _, m := range messages {
			if err := z.complete(m.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

// waitForError sleeps until the error queue has something, or a moment: what
// spun here would count as the cost of sending.
func (z *zeroCopy) waitForError() error {
	poll := struct {
		fd              int32
		events, revents int16 // POLLERR is always asked for
	}{fd: int32(z.fd)}
	moment := syscall.NsecToTimespec(int64(10 * time.Millisecond))
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
		uintptr(unsafe.Pointer(&moment)), 0, 0, 0)
	if errno != 0 && errno != syscall.EINTR {
		return errno
	}
	return nil
}

// complete takes a completion in: a range of sends, and whether they were
// copied. The layout is struct sock_extended_err: errno, origin, type, code,
// pad, info (first), data (last).
func (z *zeroCopy) complete(data []byte) error {
	if len(data) < extendedErrSize || data[4] != originZeroCopy {
		return errors.New("the error queue has something else than a completion")
	}
	first, last := binary.NativeEndian.Uint32(data[8:]), binary.NativeEndian.Uint32(data[12:])
	z.completed += last - first + 1
	if data[6]&codeZeroCopyCopied != 0 {
		z.copied += last - first + 1
	}
	return nil
}

// spentNow is what this thread and this process have run so far.
func spentNow() (sendCost, error) {
	var thread, process syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &thread); err != nil {
		return sendCost{}, err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &process); err != nil {
		return sendCost{}, err
	}
	spent := func(u syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
	return sendCost{spent(thread), spent(process)}, nil
}
