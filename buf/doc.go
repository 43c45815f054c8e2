// Package buf keeps I/O buffers off Go's heap: fixed-size blocks in mapped memory, which never move and which the
// garbage collector never looks into. That is what the kernel needs (it writes into them while Go's stacks move) and
// what keeps collections short.
//
// A Pool belongs to one loop and is not safe for others. A Block has one owner at a time: whoever got it from Get, or
// from somebody who says that ownership passes. The owner calls Put once; under test, released bytes are poisoned so
// that a reader who kept them is found out.
package buf
