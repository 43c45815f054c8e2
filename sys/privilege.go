package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Privileges are what a child process may do.
type Privileges struct {
	// User switches to UID, GID and Groups. Without it the child is who we are.
	User     bool
	UID, GID uint32
	Groups   []uint32
	// NoNewPrivs keeps the child and its children from gaining any by running a set-user-ID program.
	NoNewPrivs bool
	// DropCapabilities takes all capabilities away, for good, but those in Keep.
	DropCapabilities bool
	Keep             []Capability
}

// Capability is one of the capabilities of capabilities(7).
type Capability uint8

// capabilities are the names by number (include/uapi/linux/capability.h).
var capabilities = [...]string{"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource",
	"sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin",
	"syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"}

// String is the kernel's name, as CAP_NET_RAW.
func (c Capability) String() string {
	if int(c) < len(capabilities) {
		return "CAP_" + strings.ToUpper(capabilities[c])
	}
	return fmt.Sprintf("CAP_%d", uint8(c))
}

// ErrCapability says that a name is none of a capability.
var ErrCapability = errors.New("unknown capability")

// ParseCapability finds a capability by its name, with or without CAP_, in either case.
func ParseCapability(name string) (Capability, error) {
	i := slices.Index(capabilities[:], strings.TrimPrefix(strings.ToLower(name), "cap_"))
	if i < 0 {
		return 0, fmt.Errorf("%w: %q", ErrCapability, name)
	}
	return Capability(i), nil
}

// StartWith starts cmd with these privileges and with no signal blocked. A child inherits what its parent's thread may
// do, so the thread that is stripped for it is used for nothing else and ends.
func (p Privileges) StartWith(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: Go ends such a thread with its goroutine
		result <- p.start(cmd)
	}()
	return <-result
}

func (p Privileges) start(cmd *exec.Cmd) error {
	var none unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	attr := &syscall.SysProcAttr{}
	if p.User {
		attr.Credential = &syscall.Credential{Uid: p.UID, Gid: p.GID, Groups: p.Groups}
	}
	if p.DropCapabilities {
		if err := dropBounding(p.Keep); err != nil {
			return err
		}
		if p.User {
			for _, c := range p.Keep {
				attr.AmbientCaps = append(attr.AmbientCaps, uintptr(c))
			}
		}
	}
	if p.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", err)
		}
	}
	cmd.SysProcAttr = attr
	return cmd.Start()
}

// dropBounding removes all but keep from what a program run by this thread can have: from the bounding set, and from the
// ambient one, which is how a user who is not root inherits any.
func dropBounding(keep []Capability) error {
	for c := Capability(0); ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err == unix.EINVAL {
			return nil // the last one that this kernel knows was before
		}
		if err != nil {
			return os.NewSyscallError("prctl PR_CAPBSET_READ", err)
		}
		if slices.Contains(keep, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_LOWER, uintptr(c), 0, 0); err != nil {
			return os.NewSyscallError("prctl PR_CAP_AMBIENT_LOWER", err)
		}
		if has == 0 {
			continue
		}
		err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		if err == unix.EPERM && (os.Geteuid() != 0 || permittedNone()) {
			continue // without root the bounding set gives nothing to what it is run by
		}
		if err != nil {
			return os.NewSyscallError("prctl PR_CAPBSET_DROP", err)
		}
	}
}

// permittedNone reports whether this thread has no capability at all, as root in a container that dropped them.
func permittedNone() bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	return unix.Capget(&h, &d[0]) == nil && d[0].Permitted == 0 && d[1].Permitted == 0
}
