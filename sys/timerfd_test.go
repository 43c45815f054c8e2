package sys_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/sys"
)

func newTimerfd(t *testing.T) (timer *sys.Timerfd, gone <-chan error) {
	t.Helper()
	timer, err := sys.NewTimerfd()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = timer.Close() })
	ch := make(chan error, 16)
	go func() {
		for {
			err := timer.Wait()
			ch <- err
			if err != nil {
				return
			}
		}
	}()
	return timer, ch
}

func TestTimerfdGoesOffOnce(t *testing.T) {
	timer, gone := newTimerfd(t)
	for range 3 {
		began := time.Now()
		timer.Set(20 * time.Millisecond)
		if err := <-gone; err != nil || time.Since(began) < 20*time.Millisecond {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
	}
	select {
	case err := <-gone:
		t.Errorf("it goes off once more: %v", err)
	case <-time.After(60 * time.Millisecond):
	}
}

// A timer that is put off again and again, or stopped, does not go off.
func TestTimerfdIsPutOff(t *testing.T) {
	timer, gone := newTimerfd(t)
	for range 20 {
		timer.Set(time.Hour)
		timer.Set(10 * time.Second)
		time.Sleep(time.Millisecond)
	}
	timer.Set(5 * time.Millisecond)
	timer.Set(0)
	select {
	case err := <-gone:
		t.Errorf("it went off: %v", err)
	case <-time.After(40 * time.Millisecond):
	}
	if n := testing.AllocsPerRun(100, func() { timer.Set(time.Hour) }); n != 0 {
		t.Errorf("setting allocates %v times", n)
	}
	_ = timer.Close()
	if err := <-gone; !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed, the wait ends with %v", err)
	}
}
