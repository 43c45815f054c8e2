package loop_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/ringway/ringway/loop"
)

// eachWatched runs f on a loop of each driver with a watchdog, which is stopped in order afterwards.
func eachWatched(t *testing.T, stall time.Duration, f func(t *testing.T, l *loop.Loop, d *loop.Watchdog, log *captured)) {
	each(t, func(t *testing.T, cfg loop.Config) {
		log := new(captured)
		cfg.Log = slog.New(slog.NewTextHandler(log, nil))
		cfg.Watchdog = loop.NewWatchdog(stall)
		l := start(t, cfg)
		f(t, l, cfg.Watchdog, log)
		l.Stop(patience)
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// findStall waits until the watchdog has a stall for which match is true.
func findStall(t *testing.T, d *loop.Watchdog, match func(s loop.Stall) bool) (found loop.Stall) {
	t.Helper()
	eventually(t, "the watchdog reports", func() bool {
		for _, s := range d.Stalls() {
			if match(s) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// hold holds the loop in its own way until release is called from outside.
type hold struct {
	name  string
	cause loop.Cause
	wait  func(h *hold)
	free  func(h *hold)

	mu     sync.Mutex
	rw     sync.RWMutex
	cond   *sync.Cond
	group  sync.WaitGroup
	ch     chan int
	stop   atomic.Bool
	r, w   int // of a pipe
	passed int // how often what held the loop let go
}

// holds are the ways in which code breaks law 1 or does not yield.
func holds() []*hold {
	return []*hold{
		{name: "mutex", cause: loop.CauseMutex, wait: func(h *hold) { h.mu.Lock(); h.passed++; h.mu.Unlock() }, free: func(h *hold) { h.mu.Unlock() }},
		{name: "rwmutex", cause: loop.CauseMutex, wait: func(h *hold) { h.rw.RLock(); h.passed++; h.rw.RUnlock() }, free: func(h *hold) { h.rw.Unlock() }},
		{name: "receive", cause: loop.CauseChannel, wait: func(h *hold) { <-h.ch }, free: func(h *hold) { h.ch <- 1 }},
		{name: "send", cause: loop.CauseChannel, wait: func(h *hold) { h.ch <- 1 }, free: func(h *hold) { <-h.ch }},
		{name: "select", cause: loop.CauseChannel, wait: func(h *hold) {
			select {
			case <-h.ch:
			case <-time.After(patience):
			}
		}, free: func(h *hold) { h.ch <- 1 }},
		{name: "hog", cause: loop.CauseRunning, wait: func(h *hold) {
			for !h.stop.Load() {
			}
		}, free: func(h *hold) { h.stop.Store(true) }},
		{name: "group", cause: loop.CauseSync, wait: func(h *hold) { h.group.Wait() }, free: func(h *hold) { h.group.Done() }},
		{name: "cond", cause: loop.CauseSync, wait: func(h *hold) {
			h.cond.L.Lock()
			for !h.stop.Load() {
				h.cond.Wait()
			}
			h.cond.L.Unlock()
		}, free: func(h *hold) { h.stop.Store(true); h.cond.Broadcast() }},
		{name: "sleep", cause: loop.CauseSleep, wait: func(h *hold) {
			for !h.stop.Load() {
				time.Sleep(100 * time.Millisecond)
			}
		}, free: func(h *hold) { h.stop.Store(true) }},
		{name: "system call", cause: loop.CauseSyscall, wait: func(h *hold) {
			var b [1]byte
			_, _ = syscall.Read(h.r, b[:])
		}, free: func(h *hold) { _, _ = syscall.Write(h.w, []byte{1}) }},
	}
}

// holdsTheLoop is the function that must be in the stack.
func (h *hold) holdsTheLoop() { h.wait(h) }

func (h *hold) prepare(t *testing.T) {
	h.ch, h.cond = make(chan int), sync.NewCond(new(sync.Mutex))
	h.mu.Lock()
	h.rw.Lock()
	h.group.Add(1)
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	h.r, h.w = p[0], p[1]
}

func (h *hold) end() {
	_ = syscall.Close(h.r)
	_ = syscall.Close(h.w)
}

// spawnLine is where spawnHolder spawns.
var spawnLine int

func spawnHolder(l *loop.Loop, h *hold) {
	_, _, spawnLine, _ = runtime.Caller(0)
	l.Go("holder", func(*loop.Task) { h.holdsTheLoop() })
}

// Each way to hold a loop is told apart, with the task, where it was spawned, and its stack; and its end is told too.
func TestWatchdogNamesWhatHoldsALoop(t *testing.T) {
	for i, kind := range holds() {
		t.Run(kind.name, func(t *testing.T) {
			eachWatched(t, 0, func(t *testing.T, l *loop.Loop, d *loop.Watchdog, log *captured) {
				h := holds()[i]
				h.prepare(t)
				defer h.end()
				l.Post(func() {
					for range 100 { // some that are parked, and one that ran before
						l.Go("bystander", func(task *loop.Task) { _ = task.Sleep(time.Millisecond) })
					}
					spawnHolder(l, h)
				})
				s := findStall(t, d, func(s loop.Stall) bool { return s.Task == "holder" })
				h.free(h)
				if want := fmt.Sprintf("watchdog_test.go:%d", spawnLine+1); !strings.HasSuffix(s.Site, want) {
					t.Errorf("spawned at %q, want %s", s.Site, want)
				}
				if s.Cause != h.cause || s.Doing != "a task" || s.Held < loop.DefaultStall || !s.Lasts {
					t.Errorf("cause %q, doing %q, held %v, lasts %v; want %q", s.Cause, s.Doing, s.Held, s.Lasts, h.cause)
				}
				if !strings.Contains(s.Stack, "holdsTheLoop") || strings.Contains(s.Stack, "runtime.main") || strings.Count(s.Stack, "\n") > 12 {
					t.Errorf("the stack is\n%s", s.Stack)
				}
				ended := findStall(t, d, func(s loop.Stall) bool { return s.Task == "holder" && !s.Lasts })
				eventually(t, "the end is in the log", func() bool { return strings.Contains(log.String(), "loop turns again") })
				var st loop.Stats
				l.On(func() { st = l.Stats() })
				if st.Stalls == 0 || st.StallMax < ended.Held || st.Stalled < st.StallMax || ended.Held < s.Held {
					t.Errorf("counted %d, %v, at most %v; held %v, then %v", st.Stalls, st.Stalled, st.StallMax, s.Held, ended.Held)
				}
				for _, want := range []string{"loop stalled", "task=holder", "watchdog_test.go:", h.cause.String(), "holdsTheLoop"} {
					if !strings.Contains(log.String(), want) {
						t.Errorf("no %q in the log:\n%s", want, log.String())
					}
				}
			})
		})
	}
}

// While a loop rests, and while it turns, also right after a stall, there are no looks.
func TestWatchdogLooksOnlyWhenTheAlarmGoesOff(t *testing.T) {
	const stall = 100 * time.Millisecond
	turn := func(main *loop.Task) error { return main.Yield() }
	states := []struct {
		what string
		live func(main *loop.Task) error
	}{
		{"turns after a stall", turn},
		{"turns", turn},
		{"rests and turns", func(main *loop.Task) error { return main.Sleep(time.Millisecond) }},
		{"turns now and then", func(main *loop.Task) error { return main.Sleep(stall / 4) }},
		{"rests", func(main *loop.Task) error { return main.Sleep(3 * stall) }},
	}
	eachWatched(t, stall, func(t *testing.T, l *loop.Loop, d *loop.Watchdog, _ *captured) {
		inTask(t, l, func(main *loop.Task) {
			time.Sleep(3 * stall)
			for began := time.Now(); time.Since(began) < stall; { // until the looks have ended
				_ = main.Yield()
			}
			for _, state := range states {
				looks := uint64(0)
				for range 8 { // a busy machine delays a turn now and then, and the alarm goes off; not always
					before := d.Looks()
					for began := time.Now(); time.Since(began) < 3*stall; {
						if err := state.live(main); err != nil {
							t.Error(err)
						}
					}
					if looks = d.Looks() - before; looks <= 1 { // one, when a rest follows many turns
						break
					}
				}
				if looks > 1 {
					t.Errorf("a loop that %s for %v is looked at %d times", state.what, 3*stall, looks)
				}
			}
		})
		if len(d.Stalls()) == 0 {
			t.Error("the stall was not seen")
		}
	})
}

// A second loop, one that starts while the first rests, is looked at too.
func TestWatchdogOfALoopThatStartsLater(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Watchdog = loop.NewWatchdog(0)
		first := start(t, cfg)
		time.Sleep(2 * loop.DefaultStall)
		second := start(t, cfg)
		ch := make(chan int)
		second.Post(func() { second.Go("of the second", func(*loop.Task) { <-ch }) })
		findStall(t, cfg.Watchdog, func(s loop.Stall) bool { return s.Task == "of the second" })
		ch <- 1
		for _, l := range []*loop.Loop{first, second} {
			l.Stop(patience)
			_ = l.Wait()
		}
	})
}

type expirer func()

func (f expirer) Expire(*loop.Timer) { f() }

type completer func()

func (f completer) Complete(*loop.Op, loop.Result) { f() }

// What runs outside of tasks is named by what it is.
func TestWatchdogNamesWhatIsNoTask(t *testing.T) {
	for what, begin := range map[string]func(t *testing.T, l *loop.Loop, f func()){
		"a posted function": func(_ *testing.T, l *loop.Loop, f func()) { l.Post(f) },
		"a timer": func(_ *testing.T, l *loop.Loop, f func()) {
			l.Post(func() { l.StartTimer(&loop.Timer{Expirer: expirer(f)}, time.Millisecond) })
		},
		"a completion": func(t *testing.T, l *loop.Loop, f func()) {
			l.Post(func() {
				ends := pair(t, l)
				l.Submit(&loop.Op{Code: loop.OpClose, FD: ends[0], Done: completer(f)})
				l.Submit(&loop.Op{Code: loop.OpClose, FD: ends[1], Done: completer(func() {})})
			})
		},
	} {
		t.Run(what, func(t *testing.T) {
			eachWatched(t, 0, func(t *testing.T, l *loop.Loop, d *loop.Watchdog, _ *captured) {
				inTask(t, l, func(task *loop.Task) {}) // whose name must not be taken for the culprit's
				h := &hold{ch: make(chan int), wait: func(h *hold) { <-h.ch }}
				begin(t, l, h.holdsTheLoop)
				s := findStall(t, d, func(s loop.Stall) bool { return strings.Contains(s.Stack, "holdsTheLoop") })
				h.ch <- 1
				if s.Task != "" || s.Site != "" || s.Doing != what || s.Cause != loop.CauseChannel {
					t.Errorf("task %q of %q, doing %q, cause %q", s.Task, s.Site, s.Doing, s.Cause)
				}
			})
		})
	}
}

// A loop that waits in the kernel stands still by right, and so does a turn full of short tasks.
func TestWatchdogIsSilentWithoutReason(t *testing.T) {
	const stall = 60 * time.Millisecond
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Watchdog, cfg.Budget = loop.NewWatchdog(stall), 1<<20
		l := start(t, cfg)
		time.Sleep(3 * stall) // idle
		var took time.Duration
		inTask(t, l, func(main *loop.Task) {
			ticks := l.Stats().Ticks
			began := time.Now()
			for range 1000 {
				l.Go("short", func(*loop.Task) { spin(300 * time.Microsecond) })
			}
			_ = main.Yield()
			took = time.Since(began)
			if n := l.Stats().Ticks - ticks; n > 2 {
				t.Errorf("the tasks were spread over %d turns, so that this tests nothing", n)
			}
		})
		if s := cfg.Watchdog.Stalls(); len(s) > 0 {
			t.Errorf("in %v: %+v", took, s)
		}
		if took < 4*stall {
			t.Errorf("the turn took %v only", took)
		}
		l.Stop(patience)
		_ = l.Wait()
	})
}

// schedule gives the calling thread a policy, and binds it to a processor.
func schedule(t *testing.T, policy, cpu int) {
	var param int32
	if _, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, uintptr(policy), uintptr(unsafe.Pointer(&param))); e != 0 {
		t.Errorf("sched_setscheduler: %v", e)
	}
	var set [16]uint64
	set[cpu/64] = 1 << (cpu % 64)
	if _, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set))); e != 0 {
		t.Errorf("sched_setaffinity: %v", e)
	}
}

// allowedCPU is a processor that this process may use, of several.
func allowedCPU(t *testing.T) int {
	var set [16]uint64
	n, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if e != 0 || n == 0 {
		t.Fatal(e)
	}
	for cpu := range len(set) * 64 {
		if set[cpu/64]&(1<<(cpu%64)) != 0 {
			return cpu
		}
	}
	return 0
}

// A loop whose thread the machine does not run is not accused: its thread is let in only when nobody else wants the
// processor, and somebody does.
func TestWatchdogDoesNotBlameTheLoopForTheMachine(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("with a single processor, the watchdog would not run either")
	}
	const schedOther, schedIdle = 0, 5
	const stall = 40 * time.Millisecond
	cpu := allowedCPU(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3)) // for the loop, its rival and the watchdog
	eachWatched(t, stall, func(t *testing.T, l *loop.Loop, d *loop.Watchdog, log *captured) {
		var stop atomic.Bool
		rival := make(chan struct{})
		go func() {
			defer close(rival)
			runtime.LockOSThread() // never unlocked: the thread ends here
			schedule(t, schedOther, cpu)
			for began := time.Now(); !stop.Load() && time.Since(began) < patience; {
			}
		}()
		var waited time.Duration
		var st loop.Stats
		// A thread that loses its processor inside Go's scheduler can take that with it, and with it the watchdog: then it
		// sees nothing, and the next try may show more.
		for try := 0; try < 6 && st.Delays == 0; try++ {
			inTask(t, l, func(task *loop.Task) {
				schedule(t, schedIdle, cpu)
				began, cpuTime := time.Now(), threadCPU(t)
				for time.Since(began) < 4*stall && threadCPU(t)-cpuTime < stall/4 {
				}
				waited = time.Since(began)
			})
			l.On(func() { st = l.Stats() })
		}
		stop.Store(true)
		<-rival
		if waited < 2*stall {
			t.Skipf("the machine ran the loop all the same: the kernel does not know SCHED_IDLE, or has the two threads on different processors")
		}
		if st.Stalls > 0 || st.Delays == 0 {
			t.Errorf("in %v: %d stalls, %d delays\n%s", waited, st.Stalls, st.Delays, log.String())
		}
	})
}

// Many stalls in a row are counted all and kept, but hardly logged.
func TestWatchdogDoesNotFloodTheLog(t *testing.T) {
	eachWatched(t, time.Millisecond, func(t *testing.T, l *loop.Loop, d *loop.Watchdog, log *captured) {
		began := time.Now()
		var st loop.Stats
		for st.Stalls < 50 {
			inTask(t, l, func(*loop.Task) { spin(5 * time.Millisecond) })
			l.On(func() { st = l.Stats() })
			if time.Since(began) > patience {
				t.Fatalf("%d stalls in %v", st.Stalls, time.Since(began))
			}
		}
		if n, most := strings.Count(log.String(), "loop stalled"), int(time.Since(began)/time.Second)+1; n == 0 || n > most {
			t.Errorf("%d stalls in %v are %d reports, at most %d should be", st.Stalls, time.Since(began), n, most)
		}
		if n := len(d.Stalls()); n != 32 {
			t.Errorf("%d stalls are kept", n)
		}
	})
}

// A stall with which a loop ends has an end too.
func TestWatchdogSeesAStallOutToTheLoopsEnd(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Watchdog = loop.NewWatchdog(0)
		l := start(t, cfg)
		ch := make(chan int)
		l.On(func() { l.AtClose(func() { <-ch }) })
		l.Stop(patience)
		s := findStall(t, cfg.Watchdog, func(s loop.Stall) bool { return s.Doing == "a function at the loop's end" })
		ch <- 1
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
		findStall(t, cfg.Watchdog, func(ended loop.Stall) bool { return ended.Began.Equal(s.Began) && !ended.Lasts })
	})
}

// One watchdog looks at several loops, tells them apart although they have the same number, and ends with the last.
func TestWatchdogOfSeveralLoops(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Watchdog = loop.NewWatchdog(0)
		first, second := start(t, cfg), start(t, cfg)
		ch := make(chan int)
		held := func(l *loop.Loop, name string) {
			l.Post(func() { l.Go(name, func(*loop.Task) { <-ch }) })
		}
		held(first, "of the first")
		one := findStall(t, cfg.Watchdog, func(s loop.Stall) bool { return s.Task == "of the first" })
		held(second, "of the second")
		other := findStall(t, cfg.Watchdog, func(s loop.Stall) bool { return s.Task == "of the second" })
		if one.Stack == "" || other.Stack == "" {
			t.Errorf("stacks %q, %q", one.Stack, other.Stack)
		}
		ch <- 1
		ch <- 1
		for _, l := range []*loop.Loop{first, second} {
			l.Stop(patience)
			if err := l.Wait(); err != nil {
				t.Error(err)
			}
		}
		third := start(t, cfg) // after it has come to its end
		held(third, "of the third")
		findStall(t, cfg.Watchdog, func(s loop.Stall) bool { return s.Task == "of the third" })
		ch <- 1
		third.Stop(patience)
		_ = third.Wait()
	})
}

// Being watched costs no allocation, and what nobody watches has nothing to tell.
func TestWatchedLoopAllocatesNothing(t *testing.T) {
	eachWatched(t, 2*time.Millisecond, func(t *testing.T, l *loop.Loop, d *loop.Watchdog, _ *captured) {
		inTask(t, l, func(main *loop.Task) {
			c := new(counter)
			if n := testing.AllocsPerRun(300, func() {
				l.Spawn("counter", c)
				l.Spawn("another", c)
				_ = main.Yield()
			}); n != 0 {
				t.Errorf("two spawns and a turn allocate %v times", n)
			}
			if n := testing.AllocsPerRun(100, func() { _ = main.Sleep(time.Millisecond) }); n != 0 && len(d.Stalls()) == 0 {
				t.Errorf("a sleep, and the looks meanwhile, allocate %v times", n)
			}
		})
	})
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(*loop.Task) { spin(10 * time.Millisecond) })
		l.On(func() {
			if s := l.Stats(); s.Stalls+s.Delays != 0 {
				t.Errorf("an unwatched loop has %d stalls", s.Stalls)
			}
		})
	})
}

// Names that are made for each task do not pile up.
func TestOriginsAreBounded(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			for i := range 5000 {
				name := fmt.Sprint("task ", i)
				h := l.Go(name, func(task *loop.Task) {
					if task.Name() != name {
						t.Errorf("%q runs under the name %q", name, task.Name())
					}
				})
				_ = main.Join(h)
			}
			if n := l.Origins(); n > 1024 {
				t.Errorf("%d origins are kept", n)
			}
		})
	})
}
