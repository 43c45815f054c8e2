// Package file gives tasks of a loop files: open, read, write, sync, metadata, rename, remove, directories and links.
// Calls look as in package os and wait by yielding, so that a slow disk holds one task and not the loop.
//
// Start reading at file.go, what is called; system.go is the seam behind it (who carries it out), ring.go the one for
// drivers that can (io_uring), offloaded.go the one that works on every driver, by the loop's blocking pool. A loop takes
// what suits its driver.
//
// Anyone may import it who works on a loop. It stands under loop and not beside conn because it knows nothing of
// connections: its objects need a loop, its tasks and its blocking pool, no more.
//
// # Cancellation
//
// A call in a task that was cancelled before returns the cause and does nothing. One that has begun is waited for, since
// the buffer is in use until then, and whether a file was renamed must not stay open; Ring asks the kernel to end it
// early, which it does where a read would wait for ever (a FIFO, a terminal). On the blocking pool such a read stays: those
// files are for package conn.
package file
