// Package accesslog writes one line per request without ever holding up the
// loop that served it.
//
// Each loop owns a [Producer], and with it one end of a bounded ring of
// bytes. [Producer.Push] copies a [Record] into the ring: no lock, no
// allocation, no system call. One ordinary goroutine owns the other ends: it
// drains all rings every 50 ms, formats the records as JSON lines or in the
// combined format, and writes them to the file. A writer that is too slow
// therefore costs records, which are counted, and never a request's time.
//
// Lines of one loop keep their order; lines of different loops may be out of
// order by up to one drain.
//
// Reading starts at log.go (the writer), then ring.go (the crossing of
// threads), record.go (what crosses) and format.go (the lines). The gateway's
// main side may call [Open] and the methods of [Log]; a Producer belongs to
// one loop's thread.
package accesslog
