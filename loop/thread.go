package loop

import "syscall"

// checkThreads makes misuse from another thread panic. Tests set it; it costs a system call wherever a loop is entered.
var checkThreads = false

type threadID int

func currentThread() threadID { return threadID(syscall.Gettid()) }
