package loop

import "syscall"

// checkThreads makes misuse from another thread panic. Tests set it; it costs a system call a spawn.
var checkThreads = false

type threadID int

func currentThread() threadID { return threadID(syscall.Gettid()) }
