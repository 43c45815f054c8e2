// Package lockfree holds what crosses threads: queues, counters, published values, budgets, and the spin locks for the
// few places where none of them fits. It imports nothing of ours; every package may use it.
//
// Start reading at spsc.go: it shows the form all files have, an algorithm with the argument why its memory order
// holds. Then mpsc.go (what a mailbox is made of) and epoch.go (when an old value is free).
//
//	to carry                                     take       who may call
//	values from one thread to one                SPSC       one producer, one consumer; bounded
//	records from many threads to one             MPSC       any producer, one consumer; the records are the bound
//	values from many threads to one              Inbox      the same with pooled nodes; bounded; one by one, or as slices
//	values between many and many                 MPMC       anyone; bounded
//	a count that others look at                  Counter    one writer, any reader; Counters for many in a row
//	a rarely changed value to loops              Snapshot   any writer; Epochs tells when the loops let go of the old one
//	a few words that change often                Seqlock    one writer, any reader
//	a limit that loops share                     Budget     a Lease for each loop
//	everything else                              SpinHot, SpinYield, SpinPark: see spin.go for which
//
// # The memory order
//
// Go's atomics are sequentially consistent: all atomic operations of the program stand in one order that agrees with
// each thread's own, and an atomic operation that sees another's effect happens after it. Two consequences carry every
// argument in this package.
//
//   - Publication: what a thread wrote before an atomic store may be read, plainly, by whoever's atomic load sees that
//     store. Each type names the store and the load.
//   - Store then load (Dekker): if two threads each store and then load what the other stores, at least one sees the
//     other. On amd64 it is what makes a Store an XCHG, and it is why a push followed by a look at an "asleep" flag
//     needs nothing more: pusher and sleeper cannot both miss each other.
//
// The tests hold each algorithm to this: a step machine of it is run through all interleavings of two or three threads,
// with every state checked for data races (which is what entitles a Go program to sequential consistency), lost and
// doubled values, order, linearizability and deadlock; and each deliberately broken variant must be found out.
//
// # What it costs
//
// On two shared virtual processors, others working beside, in one run of the benchmarks; a line that crosses from one
// processor to the other costs some 100 ns there, and that is most of it. One to one, per word, with a buffered Go
// channel as 1:
//
//	SPSC 1.4       in batches of 64: 0.08 (270 M/s)     xsync SPSCQueue 3.5
//	MPSC 3.8       in batches of 64: 0.8  (27 M/s)      xsync UMPSCQueue 2.5
//	Inbox 4.2      in batches of 64: 0.28 (77 M/s)      mutex and slice 4.4
//	MPMC 2.5       channel of batches of 64: 0.04       xsync MPMCQueue 14.8
//
// So batch. A channel is no slower for single words, because its sides wait for each other and then run one after the
// other on one processor; what it cannot do is be used on a loop, where nothing may wait. Runs differ by a factor of two,
// for single words and under contention more.
//
//	to count an event, with an atomic Add as 1: Counter 0.13, published every 64 events 0.16, Store(Load+1) 1.6,
//	    mutex 2.2, xsync Counter 1.2; with a reader on the other processor: Counter published every 64 events 0.06
//	to read a Snapshot and Quiesce, with an RWMutex as 1: 0.09; xsync RBMutex 1.8
//	to take a token from a Lease and give it back, with the shared word as 1: 0.14 in batches of 8
package lockfree
