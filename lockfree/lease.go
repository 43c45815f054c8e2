package lockfree

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Budget is a number of tokens shared by loops, each of which draws from it through a Lease, several at a time. Two uses:
//
//   - a cap (connections, requests in flight): Acquire, later Release;
//   - a rate: Spend; the tokens come back through Refill, on somebody's clock (Rate).
//
// It never gives more than there is: free + spent + what the leases hold = total, always, and so what is acquired or
// spent and not refilled never exceeds the total (after Resize to less: until it has come back). The error is on the
// other side and bounded: a lease may be refused while each of the others has up to a batch idle, for a rate up to a
// batch and one request idle or spent and not yet reported. Settle ends even that.
//
// Memory order. All tokens that are not in a lease stand in free and spent, which change by compare-and-swap and add
// alone: each token is drawn by one lease. The words carry no other data, so no other edge is needed.
type Budget struct {
	_     pad
	free  atomic.Int64 // below zero after Resize to less than is out
	_     pad
	spent atomic.Int64 // reported, waiting for Refill
	_     pad
	total atomic.Int64
}

// NewBudget makes a budget of total tokens, all free.
func NewBudget(total int64) *Budget {
	if total < 0 {
		panic("lockfree: a budget below zero")
	}
	b := new(Budget)
	b.total.Store(total)
	b.free.Store(total)
	return b
}

// Total is how many tokens there are.
func (b *Budget) Total() int64 { return b.total.Load() }

// Free is how many tokens are neither spent nor in a lease, a moment ago.
func (b *Budget) Free() int64 { return max(b.free.Load(), 0) }

// Resize makes it a budget of total tokens. When that is less than is out, nothing is taken away: no lease gets more
// until enough has come back. Anyone may call it.
func (b *Budget) Resize(total int64) {
	if total < 0 {
		panic("lockfree: a budget below zero")
	}
	b.free.Add(total - b.total.Swap(total))
}

// Refill makes up to n spent tokens free again and returns how many: fewer when fewer were reported spent, since a full
// bucket takes no more. Anyone may call it.
func (b *Budget) Refill(n int64) int64 {
	for {
		spent := b.spent.Load()
		n = min(n, spent)
		if n <= 0 {
			return 0
		}
		if b.spent.CompareAndSwap(spent, spent-n) {
			b.free.Add(n)
			return n
		}
	}
}

// draw takes need tokens and up to spare more, or none. Of what is left beyond the need it takes at most half, so that
// the last tokens are not hoarded.
func (b *Budget) draw(need, spare int64) int64 {
	for {
		free := b.free.Load()
		if free < need {
			return 0
		}
		n := need + min(spare, (free-need)/2)
		if b.free.CompareAndSwap(free, free-n) {
			return n
		}
	}
}

// Lease is one loop's part of a Budget. All its methods belong to that loop.
type Lease struct {
	_      pad
	budget *Budget
	batch  int64
	idle   int64 // drawn, and neither held nor spent
	held   int64 // acquired and not released
	spent  int64 // spent and not yet reported
	_      pad
}

// Lease makes a lease that draws up to batch tokens more than it needs, and keeps no more than batch idle. A batch of 0
// is exact, and every Acquire goes to the shared word.
func (b *Budget) Lease(batch int64) *Lease {
	if batch < 0 {
		panic("lockfree: a lease with a batch below zero")
	}
	return &Lease{budget: b, batch: batch}
}

// Acquire takes n tokens, or none and false when the budget has not enough left.
func (l *Lease) Acquire(n int64) bool {
	if !l.take(n) {
		return false
	}
	l.held += n
	return true
}

// Release gives n acquired tokens back: to this lease while the budget has tokens free, else to the others.
func (l *Lease) Release(n int64) {
	if n < 0 || n > l.held {
		panic("lockfree: release of tokens that were not acquired")
	}
	l.held -= n
	l.idle += n
	switch scarce := l.budget.free.Load() <= 0; {
	case scarce:
		l.giveBack(0)
	case l.idle > l.batch:
		l.giveBack(l.batch / 2) // half, so that the next Release or Acquire need not go there again
	}
}

// Spend takes n tokens for good, or none and false when the budget has not enough left.
func (l *Lease) Spend(n int64) bool {
	if !l.take(n) {
		return false
	}
	l.spent += n
	return true
}

// Settle gives all idle tokens back and reports what was spent: at the end of a tick with nothing to do, before a long
// wait, and before the lease is dropped.
func (l *Lease) Settle() {
	l.giveBack(0)
	l.report()
}

// Held is how many tokens are acquired and not released.
func (l *Lease) Held() int64 { return l.held }

// Idle is how many tokens the lease has beyond those held.
func (l *Lease) Idle() int64 { return l.idle }

func (l *Lease) take(n int64) bool {
	if n < 0 {
		panic("lockfree: fewer than no tokens are wanted")
	}
	if l.idle < n {
		l.report()
		drawn := l.budget.draw(n-l.idle, l.batch)
		if drawn == 0 {
			return false
		}
		l.idle += drawn
	}
	l.idle -= n
	return true
}

func (l *Lease) giveBack(keep int64) {
	if n := l.idle - keep; n > 0 {
		l.idle = keep
		l.budget.free.Add(n)
	}
}

func (l *Lease) report() {
	if l.spent > 0 {
		l.budget.spent.Add(l.spent)
		l.spent = 0
	}
}

// Rate refills a budget that is spent: so many tokens in so much time, with the budget's total as the burst. Anyone may
// call Refill, as often as they like.
//
// Memory order. last moves by compare-and-swap alone: each stretch of time is turned into tokens by one caller.
type Rate struct {
	budget *Budget
	tokens uint64
	per    time.Duration
	last   atomic.Int64 // up to when time was turned into tokens
}

// NewRate refills budget with so many tokens per the given time, counted from now, which is a time on the caller's
// monotonic clock.
func NewRate(budget *Budget, tokens int64, per, now time.Duration) *Rate {
	if tokens < 1 || per < 1 {
		panic("lockfree: a rate that is not above zero")
	}
	r := &Rate{budget: budget, tokens: uint64(tokens), per: per}
	r.last.Store(int64(now))
	return r
}

// Refill turns the time until now into tokens and returns how many came free. A now before the last one does nothing.
func (r *Rate) Refill(now time.Duration) int64 {
	last := r.last.Load()
	elapsed := int64(now) - last
	if elapsed <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(elapsed), r.tokens)
	if hi >= uint64(r.per)>>1 { // more tokens than an int64 counts: more than any budget has
		if r.last.CompareAndSwap(last, int64(now)) {
			return r.budget.Refill(r.budget.Total())
		}
		return 0
	}
	n, rest := bits.Div64(hi, lo, uint64(r.per))
	if n == 0 {
		return 0
	}
	// What is left over of the time is kept for the next token, rounded to the caller's disadvantage.
	if !r.last.CompareAndSwap(last, int64(now)-int64(rest/r.tokens)) {
		return 0
	}
	return r.budget.Refill(int64(n))
}
