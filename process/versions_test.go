package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
)

// unknown is a message that this version does not know.
type unknown struct{ message.Stop }

func (*unknown) Type() message.Type { return 0x5fff }

// versionedWorker is a worker of another version. It is made of the protocol alone, as one from another time would be.
func versionedWorker(mode string) {
	born, err := inherit()
	if err != nil {
		panic(err)
	}
	conn, err := link.FromFile(os.NewFile(uintptr(born.link), "master"))
	if err != nil {
		panic(err)
	}
	h := newHello(message.RoleWorker, "another version", born.generation)
	switch mode {
	case "future":
		h.Min, h.Max = 7, 9
	case "impostor":
		h.Generation += 5
	case "next":
		h.Max, h.Features = 2, h.Features|1<<40
	case "state":
		h.StateMin, h.StateMax = 8, 9
	}
	l, err := link.Connect(context.Background(), conn, h, link.Anyone, slog.Default())
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	l.Start(func(ctx context.Context, d *link.Delivery) link.Reply {
		switch d.Message.(type) {
		case *message.Config:
			go func() {
				// A message from the future is refused, and said again in words of the present.
				if err := l.Tell(ctx, &unknown{}); !errors.Is(err, message.ErrNotUnderstood) {
					fmt.Fprintln(os.Stderr, "worker: the master answered", err)
					os.Exit(1)
				}
				_ = l.Tell(ctx, &message.Ready{})
			}()
		case *message.Status:
			return link.Reply{Message: &message.StatusAnswer{State: stateReady, JSON: []byte("{}")}}
		case *message.Drain, *message.Stop:
			return link.Reply{Sent: func(error) { os.Exit(0) }}
		}
		return link.Reply{}
	})
	<-l.Done()
	os.Exit(0)
}

// TestNextVersion upgrades to a program that speaks more than this one, and back.
func TestNextVersion(t *testing.T) {
	s := started(t, oneListener)
	s.write("odd", "next")
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	if st := s.only(2); st.Workers[0].Product != "another version" {
		t.Errorf("%+v", st)
	}
	if err := os.Remove(s.dir + "/odd"); err != nil {
		t.Fatal(err)
	}
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	s.only(3)
	s.talk(1)
}

// TestMasterStaysWhereTheNextCannotFollow upgrades to a program that does not know this master's record: the worker is
// replaced, the master is not.
func TestMasterStaysWhereTheNextCannotFollow(t *testing.T) {
	s := started(t, oneListener)
	s.write("odd", "state")
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	s.only(2)
	if log := s.log.String(); !strings.Contains(log, "cannot take this master over") || strings.Contains(log, "this master is a new program") {
		t.Error("the master became a program that does not know its record")
	}
}
