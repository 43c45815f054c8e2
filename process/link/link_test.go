package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

func hello(role message.Role) *message.Hello {
	return &message.Hello{Role: role, Min: 1, Max: 1, Features: message.FeatureConnections, PID: os.Getpid(), Product: "test"}
}

func sockets(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fa, fb, err := sys.SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	a, err = FromFile(fa)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = FromFile(fb); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// linked makes two links with each other, not started.
func linked(t *testing.T) (a, b *Link) {
	t.Helper()
	ca, cb := sockets(t)
	accepted := make(chan *Link, 1)
	go func() {
		l, err := Accept(t.Context(), cb, hello(message.RoleMaster), Anyone, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- l
	}()
	a, err := Connect(t.Context(), ca, hello(message.RoleWorker), Anyone, nil)
	if err != nil {
		t.Fatal(err)
	}
	b = <-accepted
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func acknowledge(context.Context, *Delivery) Reply { return Reply{} }

// noLeak fails the test if it ends with another number of descriptors than it has now.
func noLeak(t *testing.T) {
	t.Helper()
	before := open(t)
	t.Cleanup(func() {
		for wait := time.Now().Add(2 * time.Second); open(t) != before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(wait) {
				t.Errorf("%d descriptors are open, %d were", open(t), before)
				return
			}
		}
	})
}

func open(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestCallBothWays(t *testing.T) {
	noLeak(t)
	a, b := linked(t)
	if a.Peer().Role != message.RoleMaster || b.Peer().Role != message.RoleWorker || !a.Has(message.FeatureConnections) || a.Has(message.FeatureAdopt) {
		t.Errorf("%+v, %+v", a.Peer(), b.Peer())
	}
	handler := func(l **Link) Handler {
		return func(ctx context.Context, d *Delivery) Reply {
			switch m := d.Message.(type) {
			case *message.Status:
				return Reply{Message: &message.StatusAnswer{State: "fine"}}
			case *message.Config: // a handler may ask back
				s, fds, err := Ask[*message.StatusAnswer](ctx, *l, &message.Status{})
				if err != nil {
					return Refuse(message.ReasonFailed, err)
				}
				fds.Close()
				return Reply{Message: &message.Reloaded{Hash: m.Hash(), Diff: s.State}}
			case *message.Failed:
				return Refuse(message.ReasonState, errors.New("not now"))
			}
			return Reply{}
		}
	}
	a.Start(handler(&a))
	b.Start(handler(&b))
	var all sync.WaitGroup
	for i := range 8 {
		l := [2]*Link{a, b}[i%2]
		all.Go(func() {
			for range 50 {
				m, _, err := Ask[*message.Reloaded](t.Context(), l, &message.Config{Bytes: []byte("x")})
				if err != nil || m.Diff != "fine" {
					t.Errorf("%+v, %v", m, err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := a.Tell(t.Context(), &message.Stop{}); err != nil {
		t.Error(err)
	}
	if err := a.Tell(t.Context(), &message.Failed{}); !errors.Is(err, &message.Refusal{Reason: message.ReasonState}) || err.Error() != "not now" {
		t.Errorf("refused with %v", err)
	}
	if err := a.Tell(t.Context(), &message.Status{}); !errors.Is(err, ErrAnswer) {
		t.Errorf("an answer of another type: %v", err)
	}
}

// TestDescriptors sends more than one batch holds, and more than may be under way at a time.
func TestDescriptors(t *testing.T) {
	noLeak(t)
	a, b := linked(t)
	f, err := sys.Memfd("many")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const n = 3*message.Batch + 7
	var got atomic.Int64
	a.Start(acknowledge)
	b.Start(func(_ context.Context, d *Delivery) Reply {
		want, _ := f.Stat()
		for _, fd := range d.Descriptors.Take(n - 5) { // the rest is closed for us
			g := os.NewFile(uintptr(fd), "")
			if s, err := g.Stat(); err == nil && os.SameFile(s, want) {
				got.Add(1)
			}
			g.Close()
		}
		return Reply{Message: &message.Listeners{Sockets: make([]message.Socket, 2)}, Descriptors: []int{sys.FileDescriptor(f), sys.FileDescriptor(f)}}
	})
	fds := make([]int, n)
	for i := range fds {
		fds[i] = sys.FileDescriptor(f)
	}
	d, err := a.Call(t.Context(), &message.Listeners{Sockets: make([]message.Socket, n)}, fds...)
	if err != nil || d.Descriptors.Len() != 2 || got.Load() != n-5 {
		t.Fatalf("%v; %d arrived", err, got.Load())
	}
	d.Descriptors.Close()
	// A message that speaks of other descriptors than came is refused; they are closed, and the link goes on.
	if err := a.Tell(t.Context(), &message.Listeners{}, fds[:3]...); !errors.Is(err, &message.Refusal{Reason: message.ReasonMalformed}) {
		t.Errorf("three descriptors for nothing: %v", err)
	}
	if err := b.Tell(t.Context(), &message.Stop{}); err != nil {
		t.Error(err)
	}
}

// future is a message of a later version.
type future struct{ message.Stop }

func (*future) Type() message.Type { return 0x4001 }

func TestUnknownMessageIsRefusedPolitely(t *testing.T) {
	a, b := linked(t)
	a.Start(acknowledge)
	b.Start(acknowledge)
	err := a.Tell(t.Context(), &future{})
	if n, ok := errors.AsType[*message.NotUnderstood](err); !ok || n.Unknown != 0x4001 || !errors.Is(err, message.ErrNotUnderstood) {
		t.Errorf("%v", err)
	}
	if err := a.Tell(t.Context(), &message.Stop{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestLateAnswerIsThrownAway(t *testing.T) {
	noLeak(t)
	a, b := linked(t)
	release := make(chan struct{})
	a.Start(acknowledge)
	b.Start(func(_ context.Context, d *Delivery) Reply {
		if _, slow := d.Message.(*message.Listen); !slow {
			return Reply{}
		}
		<-release
		return Reply{Message: &message.Listeners{Sockets: make([]message.Socket, 1)}, Descriptors: []int{0}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := a.Call(ctx, &message.Listen{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(release)
	if err := a.Tell(t.Context(), &message.Stop{}); err != nil {
		t.Fatal(err)
	}
}

func TestTooManyAtOnce(t *testing.T) {
	a, b := linked(t)
	release := make(chan struct{})
	a.Start(acknowledge)
	b.Start(func(context.Context, *Delivery) Reply { <-release; return Reply{} })
	var refused, done atomic.Int64
	var all sync.WaitGroup
	for range maxHandled + 3 {
		all.Go(func() {
			if err := a.Tell(t.Context(), &message.Stop{}); errors.Is(err, &message.Refusal{Reason: message.ReasonBusy}) {
				refused.Add(1)
			} else if err == nil {
				done.Add(1)
			}
		})
	}
	for refused.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	all.Wait()
	if refused.Load() != 3 || done.Load() != maxHandled {
		t.Errorf("%d refused, %d done", refused.Load(), done.Load())
	}
}

func TestEndFailsCalls(t *testing.T) {
	noLeak(t)
	a, b := linked(t)
	a.Start(acknowledge)
	b.Start(func(ctx context.Context, d *Delivery) Reply { b.Close(); <-ctx.Done(); return Reply{} })
	if err := a.Tell(t.Context(), &message.Stop{}); !errors.Is(err, ErrPeerGone) {
		t.Error(err)
	}
	<-a.Done()
	<-b.Done()
	if err := a.Tell(t.Context(), &message.Stop{}); !errors.Is(err, ErrPeerGone) {
		t.Error(err)
	}
	if !errors.Is(b.Err(), ErrClosed) {
		t.Error(b.Err())
	}
}

func TestSentIsCalledOnceTheAnswerIsOut(t *testing.T) {
	a, b := linked(t)
	sent := make(chan error, 1)
	a.Start(acknowledge)
	b.Start(func(context.Context, *Delivery) Reply {
		return Reply{Sent: func(err error) { sent <- err }}
	})
	if err := a.Tell(t.Context(), &message.Commit{}); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	a.Close()
	<-b.Done()
	b.reply(1, Reply{Sent: func(err error) { sent <- err }})
	if err := <-sent; !errors.Is(err, ErrPeerGone) {
		t.Errorf("nothing could be sent: %v", err)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	noLeak(t)
	newer := hello(message.RoleWorker)
	newer.Min, newer.Max = 7, 9
	deny := func(c sys.Credentials, _ *message.Hello) error { return fmt.Errorf("user %d is a stranger", c.UID) }
	for _, c := range []struct {
		name   string
		mine   *message.Hello
		permit Permit
		want   message.Reason
	}{
		{"no common version", newer, Anyone, message.ReasonVersion},
		{"stranger", hello(message.RoleWorker), deny, message.ReasonForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca, cb := sockets(t)
			result := make(chan error, 1)
			go func() {
				_, err := Accept(t.Context(), cb, hello(message.RoleMaster), c.permit, nil)
				result <- err
			}()
			if _, err := Connect(t.Context(), ca, c.mine, Anyone, nil); !errors.Is(err, &message.Refusal{Reason: c.want}) {
				t.Errorf("who connects is told %v", err)
			}
			if err := <-result; !errors.Is(err, &message.Refusal{Reason: c.want}) {
				t.Errorf("who accepts has %v", err)
			}
		})
	}
}

func TestHandshakeEnds(t *testing.T) {
	noLeak(t)
	ca, _ := sockets(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, ca, hello(message.RoleWorker), Anyone, nil); err == nil {
		t.Error("a silent peer shook hands")
	}
	ca, cb := sockets(t)
	cb.Close()
	if _, err := Connect(t.Context(), ca, hello(message.RoleWorker), Anyone, nil); err == nil {
		t.Error("nobody shook hands")
	}
	ca, cb = sockets(t)
	if _, err := ca.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(t.Context(), cb, hello(message.RoleMaster), Anyone, nil); !errors.Is(err, message.ErrForeign) {
		t.Error(err)
	}
}
