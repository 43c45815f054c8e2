package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"
)

// withoutUring runs a program under a seccomp filter that answers io_uring's system calls with EPERM, as Docker's default
// profile does: without-io-uring PROGRAM ARG…
func withoutUring() {
	err := errors.New("usage: without-io-uring PROGRAM ARG…")
	if len(os.Args) > 1 {
		err = forbidUring()
	}
	var path string
	if err == nil {
		path, err = exec.LookPath(os.Args[1])
	}
	if err == nil {
		err = syscall.Exec(path, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "without-io-uring:", err)
	os.Exit(2)
}

// The parts of a classic BPF program and of seccomp(2) that the filter needs.
const (
	bpfLoadWord     = 0x20 // BPF_LD | BPF_W | BPF_ABS
	bpfJumpIfEqual  = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	bpfReturn       = 0x06 // BPF_RET | BPF_K
	seccompAllow    = 0x7fff0000
	seccompErrno    = 0x00050000
	prSetSeccomp    = 22
	prSetNoNewPrivs = 38
	seccompFilter   = 2
)

type bpfInstruction struct {
	code uint16
	ifSo uint8 // instructions to skip if it is so
	_    uint8 // and if not: none
	k    uint32
}

// forbidUring gives this thread, and what it executes, the filter. io_uring_setup, io_uring_enter and io_uring_register have
// the same numbers, 425 to 427, on every architecture.
func forbidUring() error {
	runtime.LockOSThread()
	program := []bpfInstruction{
		{code: bpfLoadWord, k: 0}, // seccomp_data.nr
		{code: bpfJumpIfEqual, ifSo: 3, k: 425},
		{code: bpfJumpIfEqual, ifSo: 2, k: 426},
		{code: bpfJumpIfEqual, ifSo: 1, k: 427},
		{code: bpfReturn, k: seccompAllow},
		{code: bpfReturn, k: seccompErrno | uint32(syscall.EPERM)},
	}
	header := struct {
		length  uint16
		program *bpfInstruction
	}{uint16(len(program)), &program[0]}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("prctl PR_SET_NO_NEW_PRIVS: %w", e)
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetSeccomp, seccompFilter, uintptr(unsafe.Pointer(&header))); e != 0 {
		return fmt.Errorf("prctl PR_SET_SECCOMP: %w", e)
	}
	return nil
}
