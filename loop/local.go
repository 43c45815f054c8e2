package loop

import "sync/atomic"

// locals counts the keys of the process, each of which has the same place in every loop.
var locals atomic.Int32

// Local is a key to one value for each loop, such as a cache or a pool that a package keeps there. Keys are made once and
// kept in a package's variable: their number is the program's, not that of its work.
type Local[T any] struct {
	index int
	make  func(l *Loop) T
}

// NewLocal makes a key; f makes a loop's value when it is first asked for, and nil makes the zero value. It may be called
// anywhere.
func NewLocal[T any](f func(l *Loop) T) *Local[T] {
	return &Local[T]{index: int(locals.Add(1)) - 1, make: f}
}

// Get gives the value of l, on l only. It lives as long as the loop; what it must give back then is for Loop.AtClose.
func (k *Local[T]) Get(l *Loop) *T {
	l.assertOnLoop()
	if k.index < len(l.locals) {
		if v, ok := l.locals[k.index].(*T); ok {
			return v
		}
	}
	v := new(T)
	if k.make != nil {
		*v = k.make(l)
	}
	for len(l.locals) <= k.index { // after the call, which may have asked for another key's value
		l.locals = append(l.locals, nil)
	}
	l.locals[k.index] = v
	return v
}
