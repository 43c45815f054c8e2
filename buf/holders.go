package buf

// Holders are those that hold blocks of one pool for consumers, in the order in which something was taken of them last. Where few blocks
// are left, the first of them is whose consumer has taken nothing for the longest time. The zero value is empty; it belongs to the
// pool's loop.
type Holders[T any] struct{ first, last *Holder[T] }

// Holder is a place in the order, a part of what it belongs to.
type Holder[T any] struct {
	of            *T
	before, after *Holder[T]
}

// Holds reports whether it stands in the order.
func (h *Holder[T]) Holds() bool { return h.of != nil }

// Longest is the first one, nil if nobody holds any.
func (o *Holders[T]) Longest() *T {
	if o.first == nil {
		return nil
	}
	return o.first.of
}

// Add puts h, which is a part of of and stands nowhere, behind all others.
func (o *Holders[T]) Add(h *Holder[T], of *T) {
	h.of, h.before, h.after = of, o.last, nil
	if o.last != nil {
		o.last.after = h
	} else {
		o.first = h
	}
	o.last = h
}

// Remove takes h out; one that stands nowhere is left alone.
func (o *Holders[T]) Remove(h *Holder[T]) {
	if !h.Holds() {
		return
	}
	if h.before != nil {
		h.before.after = h.after
	} else {
		o.first = h.after
	}
	if h.after != nil {
		h.after.before = h.before
	} else {
		o.last = h.before
	}
	h.of, h.before, h.after = nil, nil, nil
}
