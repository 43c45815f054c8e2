package loop

import (
	"errors"
	"fmt"
)

// ErrScopeEnded is the cause that children get which still run when their Scope ends.
var ErrScopeEnded = errors.New("scope ended")

// What is kept without being in use, or of what may be without end.
const (
	maxIdleRecords = 1024 // of each kind, a loop
	maxScopeErrors = 32   // errors that a Scope joins; of more it tells the number
)

// Scope holds tasks that do not outlive the code that started them. It belongs to the task that opened it.
type Scope struct {
	owner    *Task
	outer    *Scope // the one of the same task around it
	children *child
	live     int
	cause    error // the children were cancelled with it
	outside  bool  // cause came from around the scope
	ended    bool
	waits    bool // the owner is parked until live is nought
	mode     scopeMode
	winner   int
	errs     []error
	more     int // errors beyond those in errs
}

type scopeMode uint8

const (
	independent  scopeMode = iota // children end or fail on their own
	firstError                    // the first that fails cancels the others
	firstSuccess                  // the first that succeeds cancels the others
)

// WithScope runs f in the task t with a scope for child tasks. When f returns or panics, children that still run are
// cancelled with ErrScopeEnded, and WithScope returns when all have ended: so nothing that a child has given to the
// kernel is in flight any more. It returns f's error joined with those of the children that no Wait has returned.
//
// If t is cancelled, or a Timeout around WithScope expires, the children are cancelled with the same cause. A child's
// error that is the cause it was cancelled with counts once or, if the cancel was the scope's own, not at all. A child
// that panics gives a PanicError. Costs one allocation.
func WithScope(t *Task, f func(s *Scope) error) error {
	s := openScope(t, independent)
	defer s.end()
	err := f(s)
	s.stop()
	rest := s.takeErrors()
	if s.outside && !errors.Is(err, s.cause) {
		rest = append(rest, s.cause)
	}
	return joined(err, rest)
}

func openScope(t *Task, mode scopeMode) *Scope {
	s := &Scope{owner: t, outer: t.scopes, mode: mode, winner: -1}
	t.scopes = s
	if t.cause != nil {
		s.cancelFromOutside(t.cause)
	}
	return s
}

// Go starts f as a child task. In a scope that was cancelled, or is ending, the child is cancelled from its start. Go
// panics when the scope has ended.
func (s *Scope) Go(name string, f func(t *Task) error) Handle {
	c := s.newChild(f)
	return s.adopt(c, s.owner.loop.spawn(name, c))
}

func (s *Scope) newChild(f func(t *Task) error) *child {
	if s.ended {
		panic("loop: Go in a Scope that has ended")
	}
	c := s.owner.loop.takeChild()
	c.f, c.scope = f, s
	return c
}

func (s *Scope) adopt(c *child, h Handle) Handle {
	h.t.child, c.h = c, h
	if c.next = s.children; c.next != nil {
		c.next.prev = c
	}
	s.children = c
	s.live++
	if s.cause != nil {
		s.owner.loop.Cancel(h, s.cause)
	}
	return h
}

// Live is the number of children that have not ended.
func (s *Scope) Live() int { return s.live }

// Cancel makes the children's present or next waits return cause, those of later ones too. Of several causes the first
// counts.
func (s *Scope) Cancel(cause error) {
	if s.cause != nil {
		return
	}
	s.cause = cause
	for c := s.children; c != nil; {
		next := c.next
		s.owner.loop.Cancel(c.h, cause)
		c = next
	}
}

func (s *Scope) cancelFromOutside(cause error) {
	if s.cause == nil {
		s.outside = true
		s.Cancel(cause)
	}
}

// Wait waits until every child has ended and returns their errors, joined, once. Only the task that opened the scope may
// wait. If that task is cancelled meanwhile, so are the children, and Wait still returns when they have ended. A Timeout
// that was begun inside the scope ends the Wait only: it returns ErrTimeout, and the children go on.
func (s *Scope) Wait() error {
	t := s.owner
	if t.loop.current != t {
		panic("loop: Wait on a Scope of another task")
	}
	for s.live > 0 {
		if t.cause != nil && s.cause == nil {
			return t.cause
		}
		s.park(scopeWait{})
	}
	errs := s.takeErrors()
	if s.outside {
		errs = append(errs, s.cause)
	}
	return joined(nil, errs)
}

func (s *Scope) park(c Canceler) {
	s.waits = true
	_ = s.owner.ParkUncancelled(c)
	s.waits = false
}

type scopeWait struct{}

func (scopeWait) CancelWait(t *Task) { t.loop.Ready(t) }

// stop cancels what runs and waits for its end, whatever happens to the owner. What a child starts meanwhile it waits for
// too.
func (s *Scope) stop() {
	for s.live > 0 {
		s.Cancel(ErrScopeEnded)
		s.park(nil)
	}
}

// end is stop for code that may be panicking, and takes the scope from its task.
func (s *Scope) end() {
	s.stop()
	s.ended = true
	s.owner.scopes = s.outer
}

// childEnded takes a child's last word, on the child's side.
func (s *Scope) childEnded(c *child, err error) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.children = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	s.live--
	s.judge(c.index, err)
	if s.live == 0 && s.waits {
		s.owner.loop.Ready(s.owner)
	}
}

func (s *Scope) judge(index int, err error) {
	switch {
	case err == nil:
		if s.mode == firstSuccess && s.winner < 0 {
			s.winner = index
			s.Cancel(ErrRaceLost)
		}
		return
	case s.cause != nil && errors.Is(err, s.cause): // it only says that it was cancelled
		return
	case len(s.errs) < maxScopeErrors:
		s.errs = append(s.errs, err)
	default:
		s.more++
	}
	if s.mode == firstError {
		s.Cancel(err)
	}
}

func (s *Scope) takeErrors() []error {
	errs := s.errs
	if s.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more errors", s.more))
	}
	s.errs, s.more = nil, 0
	return errs
}

// joined is errors.Join that leaves a single error as it is.
func joined(first error, rest []error) error {
	if first != nil {
		rest = append([]error{first}, rest...)
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return errors.Join(rest...)
}

// child is what a Scope or a Group knows of a task.
type child struct {
	next, prev *child
	scope      *Scope // one of the two
	group      *Group
	f          func(t *Task) error
	h          Handle
	index      int
	err        error
}

// Run calls the function. Until it has returned, the child counts as one that was broken off.
func (c *child) Run(t *Task) {
	c.err = ErrStopped
	c.err = c.f(t)
}

// end runs when the task has ended, still inside its coroutine; panicked is the PanicError, if it did.
func (c *child) end(panicked error) {
	err := c.err
	if panicked != nil {
		err = panicked
	}
	l := c.h.t.loop
	if c.scope != nil {
		c.scope.childEnded(c, err)
	} else {
		c.group.childEnded(err)
	}
	*c = child{}
	if len(l.children) < maxIdleRecords {
		l.children = append(l.children, c)
	}
}

func (l *Loop) takeChild() *child {
	n := len(l.children) - 1
	if n < 0 {
		return new(child)
	}
	c := l.children[n]
	l.children = l.children[:n]
	return c
}
