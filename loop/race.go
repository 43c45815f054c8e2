package loop

import "errors"

// ErrRaceLost is the cause that the others get when a Race is won.
var ErrRaceLost = errors.New("another was first")

// Race runs the functions as child tasks of t and returns the index of the first that succeeds. The others are then
// cancelled with ErrRaceLost; Race returns when they have ended, and what they return is dropped: one that succeeds all
// the same sees Cause and gives back what it got. If none succeeds, Race returns -1 and their errors, joined. If t is
// cancelled meanwhile, so are they, and unless one succeeds all the same the cause is among the errors.
func Race(t *Task, fs ...func(t *Task) error) (int, error) {
	s := openScope(t, firstSuccess)
	defer s.end()
	s.startAll("race", fs)
	err := s.Wait()
	if s.winner >= 0 {
		return s.winner, nil
	}
	return -1, err
}

// All runs the functions as child tasks of t and waits for all. The first that fails cancels the others with its error;
// All returns that, joined with what others return that is not the same. If t is cancelled meanwhile, so are they, and the
// cause is among the errors.
func All(t *Task, fs ...func(t *Task) error) error {
	s := openScope(t, firstError)
	defer s.end()
	s.startAll("all", fs)
	return s.Wait()
}

// startAll starts the functions as children.
func (s *Scope) startAll(name string, fs []func(t *Task) error) {
	l := s.owner.loop
	for i, f := range fs {
		c := s.newChild(f)
		c.index = i
		s.adopt(c, l.spawn(name, c))
	}
}
