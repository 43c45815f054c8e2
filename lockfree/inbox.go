package lockfree

import "sync/atomic"

// DefaultInboxLimit is the bound of an Inbox whose maker names none.
const DefaultInboxLimit = 64 << 10

// The bounds of what an Inbox keeps for reuse.
const (
	inboxNodes = 1024 // nodes kept
	inboxRoom  = 1024 // values for which a kept node has room
)

// Inbox is an MPSC list of values, with pooled nodes and a bound. Any thread sends, one receives; nothing waits. Values
// sent together travel in one node, side by side: that is what makes batches cheap, since a list of records costs both
// sides a cache miss or two for each. Where records live anyway, MPSC itself copies nothing.
//
// Memory order: the list's, and for nodes that come back the pool's, which is an MPMC. The count of messages is raised
// before a push and lowered after a take, so it is never less than what is in the list: the bound holds, and a send can
// be refused while the receiver has just made room.
type Inbox[T any] struct {
	list  MPSC[letter[T]]
	limit int64
	nodes *MPMC[*Node[letter[T]]] // taken by senders, given back by the receiver
	batch []T                     // of the receiver: single values on their way into one slice
	_     pad
	count atomic.Int64
	_     pad
}

// letter is one message, or many when there are some in many.
type letter[T any] struct {
	one  T
	many []T
}

// NewInbox makes an inbox for limit messages; 0 means DefaultInboxLimit.
func NewInbox[T any](limit int) *Inbox[T] {
	if limit < 0 {
		panic("lockfree: the limit of an inbox is negative")
	}
	if limit == 0 {
		limit = DefaultInboxLimit
	}
	return &Inbox[T]{limit: int64(limit), nodes: NewMPMC[*Node[letter[T]]](min(limit, inboxNodes))}
}

// Send adds v. It reports whether there was nothing before it, so that the receiver may have to be woken; ok is false,
// and nothing was sent, when the inbox is full or closed.
func (b *Inbox[T]) Send(v T) (wasEmpty, ok bool) {
	if b.reserve(1) == 0 {
		return false, false
	}
	n := b.node()
	n.Value.one = v
	return b.push(n, 1)
}

// SendN adds as many of vs as the limit allows, in order and together, and returns how many: none when the inbox is
// closed. It keeps no hold of vs.
func (b *Inbox[T]) SendN(vs []T) (sent int, wasEmpty bool) {
	vs = vs[:b.reserve(len(vs))]
	if len(vs) == 0 {
		return 0, false
	}
	n := b.node()
	n.Value.many = append(n.Value.many, vs...)
	wasEmpty, ok := b.push(n, len(vs))
	if !ok {
		return 0, false
	}
	return len(vs), wasEmpty
}

// reserve counts n messages more, or as many as the limit allows, and returns how many. A full inbox is only looked at:
// senders that ask again and again do not take the line from the receiver.
func (b *Inbox[T]) reserve(n int) int {
	if b.count.Load() >= b.limit {
		return 0
	}
	if over := b.count.Add(int64(n)) - b.limit; over > 0 {
		over = min(over, int64(n))
		b.count.Add(-over)
		n -= int(over)
	}
	return n
}

// push sends n, whose messages are counted already.
func (b *Inbox[T]) push(n *Node[letter[T]], messages int) (wasEmpty, ok bool) {
	if wasEmpty, ok = b.list.TryPush(n); !ok {
		b.count.Add(-int64(messages))
		b.free(n)
	}
	return wasEmpty, ok
}

// Receive calls f with all messages there are, oldest first, and returns how many. Only the receiver may call it; what f
// sends is not received in the same call. When f panics, the rest of them is lost.
func (b *Inbox[T]) Receive(f func(T)) int { return b.deliver(b.list.TakeAll(), f) }

// Close refuses all later messages and calls f with those that came before, as Receive does.
func (b *Inbox[T]) Close(f func(T)) int { return b.deliver(b.list.Seal(), f) }

// ReceiveSlices is Receive for who takes many at once: f gets slices that are valid until it returns. What was sent together
// comes as it is, and single values in a row are gathered.
func (b *Inbox[T]) ReceiveSlices(f func([]T)) int { return b.deliverSlices(b.list.TakeAll(), f) }

// CloseSlices is Close, calling f as ReceiveSlices does.
func (b *Inbox[T]) CloseSlices(f func([]T)) int { return b.deliverSlices(b.list.Seal(), f) }

func (b *Inbox[T]) deliverSlices(n *Node[letter[T]], f func([]T)) (count int) {
	for n != nil {
		next := n.Unlink()
		if many := n.Value.many; len(many) > 0 {
			count += b.flush(f) + len(many)
			f(many)
		} else {
			b.batch = append(b.batch, n.Value.one)
		}
		b.free(n)
		if len(b.batch) == inboxRoom || next == nil {
			count += b.flush(f)
		}
		n = next
	}
	if count > 0 {
		b.count.Add(-int64(count))
	}
	return count
}

// flush gives f the single values gathered.
func (b *Inbox[T]) flush(f func([]T)) int {
	n := len(b.batch)
	if n > 0 {
		f(b.batch)
		clear(b.batch)
		b.batch = b.batch[:0]
	}
	return n
}

// Closed reports whether the receiver has closed the inbox. Anyone may ask.
func (b *Inbox[T]) Closed() bool { return b.list.Sealed() }

// Len is about how many messages wait.
func (b *Inbox[T]) Len() int { return int(min(b.count.Load(), b.limit)) }

func (b *Inbox[T]) deliver(n *Node[letter[T]], f func(T)) (count int) {
	if n == nil {
		return 0
	}
	for n != nil {
		next := n.Unlink()
		for _, v := range n.Value.many {
			f(v)
		}
		if count += len(n.Value.many); len(n.Value.many) == 0 {
			f(n.Value.one)
			count++
		}
		b.free(n)
		n = next
	}
	b.count.Add(-int64(count))
	return count
}

func (b *Inbox[T]) node() *Node[letter[T]] {
	if n, ok := b.nodes.TryPop(); ok {
		return n
	}
	return new(Node[letter[T]])
}

// free keeps n for later, without its values.
func (b *Inbox[T]) free(n *Node[letter[T]]) {
	if cap(n.Value.many) > inboxRoom {
		return
	}
	clear(n.Value.many)
	n.Value = letter[T]{many: n.Value.many[:0]}
	b.nodes.TryPush(n)
}
