package link

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// frame is a whole frame as it lies on the wire, without carriers.
func frame(seq message.Seq, m message.Message) []byte {
	b := message.Body(m)
	return append(message.Header{Type: m.Type(), Seq: seq, Length: uint32(len(b))}.Append(nil), b...)
}

// TestHostileStream plays a peer that has said Hello and then sends what nobody should. The link ends with a typed error,
// and no descriptor stays behind.
func TestHostileStream(t *testing.T) {
	f, err := sys.Memfd("stray")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stray := sys.Rights([]int{sys.FileDescriptor(f), sys.FileDescriptor(f)})
	two := message.Header{Type: message.TypeListeners, Seq: 2, Descriptors: 2}.Append(nil)
	for _, c := range []struct {
		name  string
		bytes []byte
		oob   []byte // beside the last byte
		want  error
	}{
		{"foreign", []byte("SSH-2.0-OpenSSH_9.9 and some more bytes\r\n"), nil, message.ErrForeign},
		{"replayed", append(frame(2, &message.Stop{}), frame(2, &message.Stop{})...), nil, message.ErrReplayed},
		{"replayed hello", frame(1, hello(message.RoleWorker)), nil, message.ErrReplayed},
		{"one left out", frame(3, &message.Stop{}), nil, message.ErrGap},
		{"too large", message.Header{Type: 1, Seq: 2, Length: message.MaxBody + 1}.Append(nil), nil, message.ErrTooLarge},
		{"descriptors beside a header", frame(2, &message.Stop{}), stray, message.ErrStray},
		{"descriptors that were promised, and no batch", append(two[:len(two):len(two)], 0), nil, message.ErrTruncated},
		{"a batch, and then the end", append(append([]byte(nil), message.Header{Type: message.TypeListeners, Seq: 2, Length: 9, Descriptors: 2}.Append(nil)...), 0), stray, message.ErrTruncated},
		{"the end in a header", frame(2, &message.Stop{})[:20], nil, message.ErrTruncated},
		{"the end in a body", frame(2, &message.Failed{Text: "abc"})[:message.HeaderLen+4], nil, message.ErrTruncated},
		{"an end", nil, nil, ErrPeerGone},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			a, b := linked(t)
			b.Start(acknowledge)
			raw := a.stream.conn
			if n := len(c.bytes); n > 0 {
				if _, err := raw.Write(c.bytes[:n-1]); err != nil {
					t.Fatal(err)
				}
				_, _, _ = raw.WriteMsgUnix(c.bytes[n-1:], c.oob, nil) // the link may have ended before the last byte
			}
			_ = raw.CloseWrite()
			<-b.Done()
			if err := b.Err(); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestCutAtEveryByte ends a conversation with descriptors at each of its bytes.
func TestCutAtEveryByte(t *testing.T) {
	noLeak(t)
	f, err := sys.Memfd("cut")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	body := message.Body(&message.HandOver{Give: true})
	b := append(message.Header{Type: message.TypeHandOver, Seq: 2, Length: uint32(len(body)), Descriptors: 1}.Append(nil), 0)
	b = append(b, body...)
	for cut := range len(b) + 1 {
		a, l := linked(t)
		handled := make(chan int, 1)
		l.Start(func(_ context.Context, d *Delivery) Reply {
			handled <- d.Descriptors.Len()
			return Reply{}
		})
		raw := a.stream.conn
		for i := range cut {
			var oob []byte
			if i == message.HeaderLen {
				oob = sys.Rights([]int{sys.FileDescriptor(f)})
			}
			if _, _, err := raw.WriteMsgUnix(b[i:i+1], oob, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := raw.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		<-l.Done()
		switch {
		case cut == 0 && !errors.Is(l.Err(), ErrPeerGone), cut > 0 && cut < len(b) && !errors.Is(l.Err(), message.ErrTruncated):
			t.Fatalf("cut at %d: %v", cut, l.Err())
		case cut == len(b):
			if n := <-handled; n != 1 {
				t.Fatalf("%d descriptors came", n)
			}
		}
		a.Close()
		l.Close()
	}
}

// TestDetach passes a link on while both sides call on it without a pause. Nothing is lost: each call is answered, or told
// that the link went elsewhere.
func TestDetach(t *testing.T) {
	noLeak(t)
	a, b := linked(t)
	slow := func(context.Context, *Delivery) Reply { time.Sleep(200 * time.Microsecond); return Reply{} }
	a.Start(slow)
	b.Start(slow)
	stop := make(chan struct{})
	calls := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				calls <- n
				return
			default:
			}
			if err := a.Tell(t.Context(), &message.Config{Bytes: make([]byte, 1000)}); err != nil {
				t.Error(err)
			}
			n++
		}
	}()
	for range 20 {
		time.Sleep(2 * time.Millisecond)
		go func(l *Link) { // a call whose answer may be lost to this side
			if err := l.Tell(t.Context(), &message.Stop{}); err != nil && !errors.Is(err, ErrDetached) {
				t.Error(err)
			}
		}(b)
		state, file, err := b.Detach(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b, err = Attach(file, state, nil); err != nil {
			t.Fatal(err)
		}
		if b.Peer().PID != os.Getpid() || !b.Has(message.FeatureConnections) {
			t.Fatalf("the peer was forgotten: %+v", b.Peer())
		}
		b.Start(slow)
	}
	close(stop)
	if n := <-calls; n < 20 {
		t.Errorf("only %d calls", n)
	}
	if err := b.Tell(t.Context(), &message.Stop{}); err != nil {
		t.Error(err)
	}
	b.Close()
}

// TestDetachWaitsForTheRestOfAFrame detaches between two pieces of a message.
func TestDetachWaitsForTheRestOfAFrame(t *testing.T) {
	a, b := linked(t)
	handled := make(chan struct{}, 1)
	b.Start(func(context.Context, *Delivery) Reply { handled <- struct{}{}; return Reply{} })
	whole := frame(2, &message.Failed{Text: "in two pieces"})
	if _, err := a.stream.conn.Write(whole[:40]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // for the reader to have taken them
	raw := a.stream.conn
	time.AfterFunc(30*time.Millisecond, func() { _, _ = raw.Write(whole[40:]) })
	state, file, err := b.Detach(t.Context())
	if err != nil || state.Received != 2 {
		t.Fatal(state, err)
	}
	file.Close()
	<-handled
	// A peer that stops in the middle of a message cannot be passed on.
	a, b = linked(t)
	b.Start(acknowledge)
	if _, err := a.stream.conn.Write(whole[:40]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := b.Detach(ctx); err == nil {
		t.Error("detached in the middle of a message")
	}
}
