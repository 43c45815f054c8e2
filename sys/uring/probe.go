package uring

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const ioUringOpSupported = 1 << 0

// Probe says why io_uring cannot be used here, or nil when it can: the kernel has it, policy (seccomp, the sysctl
// kernel.io_uring_disabled) allows it, and every operation and registration that the driver needs is there.
func Probe() error {
	runtime.LockOSThread() // a ring answers only the thread that opened it
	defer runtime.UnlockOSThread()
	r, err := Setup(8)
	if err != nil {
		return err
	}
	defer r.Close()
	var p probe
	_, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ioringRegisterProbe, uintptr(unsafe.Pointer(&p)), 256, 0, 0)
	if e != 0 {
		return os.NewSyscallError("io_uring_register PROBE", e)
	}
	for _, op := range [...]int{IORING_OP_POLL_ADD, IORING_OP_SENDMSG, IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL, IORING_OP_CONNECT,
		IORING_OP_CLOSE, IORING_OP_SEND, IORING_OP_RECV, IORING_OP_RECVMSG, IORING_OP_MSG_RING} {
		if p.ops[op].flags&ioUringOpSupported == 0 {
			return fmt.Errorf("io_uring operation %d is not supported by this kernel (Linux 6.1 is needed)", op)
		}
	}
	br, err := r.RegisterBufRing(0, 8)
	if err != nil {
		return err
	}
	r.Close()
	return br.Close()
}
