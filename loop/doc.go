// Package loop is a thread-per-core runtime whose tasks are stackful coroutines: code in a task reads like blocking
// code, and while it waits the loop's thread runs other tasks.
//
// A Loop is one locked thread with a Driver (io_uring or epoll; the worker chooses, this package knows neither), a run
// queue, a timer wheel, and a mailbox through which other threads reach it. Loops share nothing.
//
// Start reading at loop.go (a tick), then task.go (what runs in it), op.go and driver.go (what reaches the kernel). What
// tasks wait for each other with stands in the sync files, on waitq.go; select.go, scope.go, race.go, timeout.go and
// interval.go are built on the same. watchdog.go looks at loops from outside, by what pulse.go shows.
//
// # The laws
//
// Each was seen to stall or kill a process when broken.
//
//  1. A task never waits on a sync.Mutex, channel, WaitGroup, context, file or resolver: the whole loop would stop. Use
//     Offload for work that blocks, Post or a Mailbox to reach a loop.
//  2. Nothing but the driver's own wait blocks the thread.
//  3. GOMAXPROCS is at least the number of loops plus two (SetMaxProcs).
//  4. A buffer given to the kernel is never on a stack: an Op lives on the heap or in a Block, and stays until its own
//     completion, cancelled or not.
//  5. A task never calls runtime.LockOSThread, runtime.Goexit, or cgo that calls back.
//  6. What belongs to a loop (Task, Timer, Op, and everything in package conn) is touched on that loop only. Post, a
//     Mailbox's sends, On, Wait and Stop are the exceptions.
package loop
