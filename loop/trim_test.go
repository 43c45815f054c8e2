package loop_test

import (
	"testing"

	"github.com/ringway/ringway/loop"
)

// TestIdleCoroutinesEnd: a burst of tasks leaves coroutines in the pool; those that nobody needs between two trims end.
func TestIdleCoroutinesEnd(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		pooled := func() (n int) {
			l.On(func() { n = l.Stats().Pooled })
			return n
		}
		l.On(func() {
			for range 100 {
				l.Go("burst", func(task *loop.Task) { _ = task.Yield() })
			}
		})
		eventually(t, "the burst is over", func() bool { return pooled() == 100 })
		l.On(l.TrimTasks) // all were needed since the start
		if n := pooled(); n != 100 {
			t.Errorf("%d coroutines after the first trim, want 100", n)
		}
		l.On(l.TrimTasks)
		if n := pooled(); n != 0 {
			t.Errorf("%d coroutines after a trim without need, want none", n)
		}
		inTask(t, l, func(*loop.Task) {})
	})
}
