package lockfree

import "sync/atomic"

// Node is a record of an MPSC list: a value and the link the list needs. Make T the record itself, or embed a
// Node[*Record] in the record and let Value point back. It belongs to whoever has it from TakeAll, or made it, and is
// in one list at a time.
type Node[T any] struct {
	next  *Node[T]
	Value T
}

// Unlink gives the node after n and lets go of it, so that n may be pushed again or kept without keeping the others.
func (n *Node[T]) Unlink() (next *Node[T]) {
	next, n.next = n.next, nil
	return next
}

// Chain collects nodes, on one thread, to be pushed together.
type Chain[T any] struct {
	top, bottom *Node[T]
}

// Append adds n as the newest of the chain, which has it until it is pushed.
func (c *Chain[T]) Append(n *Node[T]) {
	if c.top == nil {
		c.bottom = n
	}
	n.next, c.top = c.top, n
}

// Empty reports whether nothing was appended.
func (c *Chain[T]) Empty() bool { return c.top == nil }

// MPSC is a list that any thread pushes to and one takes whole: one compare-and-swap a push, one swap for all that was
// pushed. It is not bounded: the nodes are the caller's, and so is the bound. The zero value is empty and ready; it must
// not be copied.
//
// Memory order. A pusher writes the node plainly and then puts it at head with a compare-and-swap; the taker's swap sees
// that node, or one pushed over it by somebody whose compare-and-swap saw it: along this chain of edges everything
// written to every node happens before the take. The list is never popped one by one, so a head that was taken and came
// back between a pusher's load and its compare-and-swap (ABA) does no harm: the pusher never looks into the node it puts
// its own upon, and that node is the head again.
//
// Push reports whether the list was empty: exactly one push between two takes says so, and whoever gets it wakes the
// taker. A taker that sleeps on a flag instead stores the flag and then looks at Empty, a pusher pushes and then loads
// the flag: one of them sees the other.
type MPSC[T any] struct {
	_      pad
	head   atomic.Pointer[Node[T]]
	_      pad
	sealed Node[T] // stands at the head of a list that takes nothing any more
}

// Push adds n as the newest and reports whether the list was empty. Pushing to a sealed list is a broken invariant: use
// TryPush where that can be.
func (l *MPSC[T]) Push(n *Node[T]) (wasEmpty bool) {
	wasEmpty, ok := l.TryPush(n)
	if !ok {
		panic("lockfree: push to a sealed list")
	}
	return wasEmpty
}

// TryPush adds n as the newest, unless the list is sealed: then ok is false and n stays the caller's.
func (l *MPSC[T]) TryPush(n *Node[T]) (wasEmpty, ok bool) { return l.push(n, n) }

// PushChain adds all of c in its order and leaves it empty, unless the list is sealed: then ok is false and c is as it
// was. An empty chain changes nothing and reports false, true.
func (l *MPSC[T]) PushChain(c *Chain[T]) (wasEmpty, ok bool) {
	if c.top == nil {
		return false, true
	}
	wasEmpty, ok = l.push(c.top, c.bottom)
	if ok {
		*c = Chain[T]{}
	}
	return wasEmpty, ok
}

func (l *MPSC[T]) push(top, bottom *Node[T]) (wasEmpty, ok bool) {
	for {
		h := l.head.Load()
		if h == &l.sealed {
			bottom.next = nil
			return false, false
		}
		bottom.next = h
		if l.head.CompareAndSwap(h, top) {
			return h == nil, true
		}
	}
}

// Empty reports whether there is nothing to take. Anyone may ask.
func (l *MPSC[T]) Empty() bool {
	h := l.head.Load()
	return h == nil || h == &l.sealed
}

// Sealed reports whether the list takes nothing any more. Anyone may ask.
func (l *MPSC[T]) Sealed() bool { return l.head.Load() == &l.sealed }

// TakeAll takes everything, oldest first, nil if there is nothing; Unlink leads from one node to the next. Only the
// consumer may call it.
func (l *MPSC[T]) TakeAll() *Node[T] {
	if l.Empty() { // a swap is dear, and a sealed list stays sealed
		return nil
	}
	return inOrder(l.head.Swap(nil))
}

// Seal takes everything like TakeAll and lets nothing in afterwards. Only the consumer may call it.
func (l *MPSC[T]) Seal() *Node[T] {
	h := l.head.Swap(&l.sealed)
	if h == &l.sealed {
		return nil
	}
	return inOrder(h)
}

// inOrder turns the newest-first list round.
func inOrder[T any](n *Node[T]) *Node[T] {
	var first *Node[T]
	for n != nil {
		next := n.next
		n.next = first
		first, n = n, next
	}
	return first
}
