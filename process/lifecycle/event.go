package lifecycle

import (
	"fmt"
	"time"
)

// WorkerID tells the workers of a master apart; it counts from 1 and is the worker's generation.
type WorkerID uint64

// RequestID is somebody who waits for an Answer. 0 is nobody: a signal.
type RequestID uint64

// Event is what happened. Workers that the machine does not know (any more) are ignored.
type Event interface{ event() }

// The events.
type (
	// Begin starts the first worker.
	Begin struct{}
	// Adopted begins with a worker that serves already, its master gone.
	Adopted struct {
		Worker       WorkerID
		DrainTimeout time.Duration
	}
	// WorkerReady: the worker serves. DrainTimeout is how long it will take at most to drain; 0: as long as it takes.
	WorkerReady struct {
		Worker       WorkerID
		DrainTimeout time.Duration
	}
	// WorkerTuned: a reload has changed how long the worker will take to drain.
	WorkerTuned struct {
		Worker       WorkerID
		DrainTimeout time.Duration
	}
	// WorkerFailed: the worker says that it cannot serve, and is about to end.
	WorkerFailed struct {
		Worker WorkerID
		Reason string
	}
	// WorkerWedged: the worker lives, but cannot be spoken with or did not do as it was told.
	WorkerWedged struct {
		Worker WorkerID
		Reason string
	}
	// WorkerEnded: the process is gone, or could not be started. Clean: it ended by itself and well.
	WorkerEnded struct {
		Worker WorkerID
		Reason string
		Clean  bool
	}
	// HandedOver: the worker that was told to give its connections has given what it can, or Err.
	HandedOver struct {
		Worker WorkerID
		Err    string
	}
	// Probed: whether the worker answers.
	Probed struct {
		Worker WorkerID
		Alive  bool
	}
	// Resumed: the worker that was told to Resume accepts.
	Resumed struct{ Worker WorkerID }
	// Reload asks for another configuration. Special says that it is not simply the one on disk, to go over to: a preview, or
	// one that was brought. Only a worker that serves can do that.
	Reload struct {
		Request RequestID
		Special bool
	}
	// ReloadDone: the reload of Token was answered, one way or the other.
	ReloadDone struct{ Token uint64 }
	// Upgrade asks for the program that is on disk now.
	Upgrade struct{ Request RequestID }
	// NotBecome: Become did not work; it is tried again a few times.
	NotBecome struct{}
	// Reopen asks for new log files.
	Reopen struct{}
	// Terminate drains and ends; a second one is Quit.
	Terminate struct{}
	// Quit ends at once.
	Quit struct{}
	// Fired: the time of a SetTimer has come.
	Fired struct{ Timer Timer }
)

func (Begin) event()        {}
func (Adopted) event()      {}
func (WorkerReady) event()  {}
func (WorkerTuned) event()  {}
func (WorkerFailed) event() {}
func (WorkerWedged) event() {}
func (WorkerEnded) event()  {}
func (HandedOver) event()   {}
func (Probed) event()       {}
func (Resumed) event()      {}
func (Reload) event()       {}
func (ReloadDone) event()   {}
func (Upgrade) event()      {}
func (NotBecome) event()    {}
func (Reopen) event()       {}
func (Terminate) event()    {}
func (Quit) event()         {}
func (Fired) event()        {}

// TimerKind says what a timer is for.
type TimerKind string

// The kinds of timers.
const (
	TimerReady    TimerKind = "ready"    // the worker has to be ready
	TimerBackoff  TimerKind = "backoff"  // a dead worker is replaced
	TimerHandOver TimerKind = "handover" // the worker has to have given its connections
	TimerDrain    TimerKind = "drain"    // the worker has to have drained
	TimerStop     TimerKind = "stop"     // the worker has to have ended
	TimerBecome   TimerKind = "become"   // Become is tried again
)

// Timer names a timer. One that fires after its reason has gone is ignored, so none is ever cancelled.
type Timer struct {
	Kind   TimerKind
	Worker WorkerID
	Token  uint64 // of a backoff
}

// Action is what is to be done, in the order of the list. String is for logs and tests.
type Action interface {
	fmt.Stringer
	action()
}

// The actions.
type (
	// Spawn starts a worker: from the program on disk (New) or the one that runs, with the configuration as it is on disk
	// (Fresh; but a New one goes on with what a request has brought) or the one that was last confirmed. A New one accepts nothing
	// until a HandOver or Resume says so. WorkerReady, WorkerFailed or WorkerEnded follow.
	Spawn struct {
		Worker WorkerID
		New    bool
		Fresh  bool
	}
	// Kill ends a worker by SIGKILL; WorkerEnded follows.
	Kill struct{ Worker WorkerID }
	// Stop tells a worker to end at once.
	Stop struct{ Worker WorkerID }
	// Drain tells a worker to finish and end.
	Drain struct{ Worker WorkerID }
	// HandOver connects two workers, and has the one give its connections to the other. HandedOver follows.
	HandOver struct{ From, To WorkerID }
	// Resume tells a worker to accept: as if no HandOver had been, or because none will be. It may do so already. Resumed
	// follows, or WorkerWedged if it cannot or takes too long.
	Resume struct{ Worker WorkerID }
	// Probe asks a worker for any answer; Probed follows.
	Probe struct{ Worker WorkerID }
	// StartReload passes the configuration of a request on to the worker. The answer is given by who carries this out;
	// ReloadDone follows.
	StartReload struct {
		Worker  WorkerID
		Request RequestID
		Token   uint64
	}
	// ReopenLogs tells a worker so.
	ReopenLogs struct{ Worker WorkerID }
	// Promote makes the program of the last upgrade the one that workers are started from; Demote forgets it.
	Promote struct{}
	// Demote forgets the program that an upgrade tried.
	Demote struct{}
	// Become turns the master into the promoted program. NotBecome follows if that failed; then all is as it was.
	Become struct{}
	// Answer tells a request how it went; Err is empty where it went well.
	Answer struct {
		Request RequestID
		Err     string
		// State: it was refused because of what is going on, not tried and failed.
		State bool
	}
	// Record keeps the record of a crash.
	Record struct {
		Worker WorkerID
		Reason string
	}
	// SetTimer: Fired follows, After from now.
	SetTimer struct {
		Timer Timer
		After time.Duration
	}
	// Notify tells the service manager.
	Notify struct{ What Notice }
	// Exit ends the master, with an error unless Err is empty. It is the last action.
	Exit struct{ Err string }
)

// Notice is what the service manager is told.
type Notice string

// The notices.
const (
	NoticeReady     Notice = "ready"
	NoticeReloading Notice = "reloading"
	NoticeStopping  Notice = "stopping"
)

func (Spawn) action()       {}
func (Kill) action()        {}
func (Stop) action()        {}
func (Drain) action()       {}
func (HandOver) action()    {}
func (Resume) action()      {}
func (Probe) action()       {}
func (StartReload) action() {}
func (ReopenLogs) action()  {}
func (Promote) action()     {}
func (Demote) action()      {}
func (Become) action()      {}
func (Answer) action()      {}
func (Record) action()      {}
func (SetTimer) action()    {}
func (Notify) action()      {}
func (Exit) action()        {}

// String names the worker, and the program and configuration where they are not those that run.
func (a Spawn) String() string {
	s := fmt.Sprintf("spawn %d", a.Worker)
	if a.New {
		s += " new"
	}
	if a.Fresh {
		s += " fresh"
	}
	return s
}

// String is the word and the worker.
func (a Kill) String() string { return fmt.Sprintf("kill %d", a.Worker) }

// String is the word and the worker.
func (a Stop) String() string { return fmt.Sprintf("stop %d", a.Worker) }

// String is the word and the worker.
func (a Drain) String() string { return fmt.Sprintf("drain %d", a.Worker) }

// String has both workers.
func (a HandOver) String() string { return fmt.Sprintf("handover %d>%d", a.From, a.To) }

// String is the word and the worker.
func (a Resume) String() string { return fmt.Sprintf("resume %d", a.Worker) }

// String is the word and the worker.
func (a Probe) String() string { return fmt.Sprintf("probe %d", a.Worker) }

// String has the worker and the request.
func (a StartReload) String() string { return fmt.Sprintf("reload %d r%d", a.Worker, a.Request) }

// String is the word and the worker.
func (a ReopenLogs) String() string { return fmt.Sprintf("reopen %d", a.Worker) }

// String is the word.
func (Promote) String() string { return "promote" }

// String is the word.
func (Demote) String() string { return "demote" }

// String is the word.
func (Become) String() string { return "become" }

// String has the request, and the error if there is one.
func (a Answer) String() string {
	if a.Err == "" {
		return fmt.Sprintf("answer r%d", a.Request)
	}
	return fmt.Sprintf("answer r%d: %s", a.Request, a.Err)
}

// String has the worker and the reason.
func (a Record) String() string { return fmt.Sprintf("record %d: %s", a.Worker, a.Reason) }

// String has the kind, the worker and the time.
func (a SetTimer) String() string {
	return fmt.Sprintf("timer %s %d %v", a.Timer.Kind, a.Timer.Worker, a.After)
}

// String has the notice.
func (a Notify) String() string { return "notify " + string(a.What) }

// String has the error, if there is one.
func (a Exit) String() string {
	if a.Err == "" {
		return "exit"
	}
	return "exit: " + a.Err
}
