package lockfree

import (
	"sync"
	"sync/atomic"
)

// DefaultInboxLimit is the bound of an Inbox whose maker names none.
const DefaultInboxLimit = 64 << 10

// Inbox is an MPSC list of values with pooled nodes and a bound. Any thread sends, one receives; nothing waits. Where
// records live anyway, MPSC itself is cheaper.
//
// Memory order: the list's. The count of messages is raised before a push and lowered after a take, so it is never less
// than what is in the list: the bound holds, and a send can be refused while the receiver has just made room.
type Inbox[T any] struct {
	list  MPSC[T]
	limit int64
	_     pad
	count atomic.Int64
	_     pad
	nodes sync.Pool // of *Node[T]: taken by senders, given back by the receiver
}

// NewInbox makes an inbox for limit messages; 0 means DefaultInboxLimit.
func NewInbox[T any](limit int) *Inbox[T] {
	if limit < 0 {
		panic("lockfree: the limit of an inbox is negative")
	}
	if limit == 0 {
		limit = DefaultInboxLimit
	}
	return &Inbox[T]{limit: int64(limit)}
}

// Send adds v. It reports whether there was nothing before it, so that the receiver may have to be woken; ok is false,
// and nothing was sent, when the inbox is full or closed.
func (b *Inbox[T]) Send(v T) (wasEmpty, ok bool) {
	if b.count.Add(1) > b.limit {
		b.count.Add(-1)
		return false, false
	}
	n := b.node()
	n.Value = v
	if wasEmpty, ok = b.list.TryPush(n); !ok {
		b.count.Add(-1)
		b.free(n)
	}
	return wasEmpty, ok
}

// SendN adds as many of vs as the limit allows, in order and together, and returns how many: none when the inbox is
// closed.
func (b *Inbox[T]) SendN(vs []T) (sent int, wasEmpty bool) {
	n := int64(len(vs))
	if over := b.count.Add(n) - b.limit; over > 0 {
		over = min(over, n)
		b.count.Add(-over)
		n -= over
	}
	var c Chain[T]
	for _, v := range vs[:n] {
		node := b.node()
		node.Value = v
		c.Append(node)
	}
	wasEmpty, ok := b.list.PushChain(&c)
	if !ok {
		b.count.Add(-n)
		b.release(c.top, nil)
		return 0, false
	}
	return int(n), wasEmpty
}

// Receive calls f with all messages there are, oldest first, and returns how many. Only the receiver may call it; what f
// sends is not received in the same call.
func (b *Inbox[T]) Receive(f func(T)) int {
	n := b.release(b.list.TakeAll(), f)
	if n > 0 {
		b.count.Add(int64(-n))
	}
	return n
}

// Close refuses all later messages and calls f with those that came before. Only the receiver may call it.
func (b *Inbox[T]) Close(f func(T)) int {
	n := b.release(b.list.Seal(), f)
	b.count.Add(int64(-n))
	return n
}

// Len is about how many messages wait.
func (b *Inbox[T]) Len() int { return int(min(b.count.Load(), b.limit)) }

// release gives the nodes back before f has the value, so that f may send with them.
func (b *Inbox[T]) release(n *Node[T], f func(T)) (count int) {
	for n != nil {
		next, v := n.Unlink(), n.Value
		b.free(n)
		if f != nil {
			f(v)
		}
		n = next
		count++
	}
	return count
}

func (b *Inbox[T]) node() *Node[T] {
	if n, ok := b.nodes.Get().(*Node[T]); ok {
		return n
	}
	return new(Node[T])
}

func (b *Inbox[T]) free(n *Node[T]) {
	var zero T
	n.Value = zero
	b.nodes.Put(n)
}
