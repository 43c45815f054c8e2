package loop

// Group waits until a number of things are done. The zero value counts; one from NewGroup can start tasks too. Unlike a
// Scope it does not end what it started.
type Group struct {
	loop *Loop
	n    int
	err  error
	q    waitq
}

// NewGroup makes a group that starts tasks on l.
func NewGroup(l *Loop) *Group { return &Group{loop: l} }

// Add changes the number of things that are not done.
func (g *Group) Add(n int) {
	if g.n += n; g.n < 0 {
		panic("loop: more things done in a Group than were added")
	}
	if g.n == 0 {
		g.q.grantAll()
	}
}

// Done says that one thing is done.
func (g *Group) Done() { g.Add(-1) }

// Go starts f as a task of the group, which is done when f ends. The first error that is returned is the group's; a panic
// is a PanicError.
func (g *Group) Go(name string, f func(t *Task) error) Handle {
	if g.loop == nil {
		panic("loop: Go in a Group that NewGroup has not made")
	}
	g.Add(1)
	c := g.loop.takeChild()
	c.f, c.group = f, g
	h := g.loop.spawn(name, c)
	h.t.child, c.h = c, h
	return h
}

func (g *Group) childEnded(err error) {
	if g.err == nil {
		g.err = err
	}
	g.Done()
}

// Wait waits until everything is done and returns the first error. If the task is cancelled meanwhile, Wait returns the
// cause and the group goes on.
func (g *Group) Wait(t *Task) error {
	if g.n > 0 {
		if _, err := t.place.await(t, &g.q); err != nil {
			return err
		}
	}
	return g.err
}
