package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

func TestInherited(t *testing.T) {
	for s, want := range map[string]inherited{
		"link=3 crash=4 control=-1 generation=7":           {3, 4, -1, 7, false},
		"generation=1 link=9 newer=5 words that=mean-none": {9, -1, -1, 1, false},
	} {
		if got, err := parseInherited(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	i := inherited{link: 3, crash: 4, control: 5, generation: 12, held: true}
	if got, err := parseInherited(i.String()); err != nil || got != i {
		t.Errorf("%+v, %v", got, err)
	}
	for _, s := range []string{"", "1", "link", "link=x", "crash=4"} {
		if _, err := parseInherited(s); !errors.Is(err, errNotWorker) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestWithout(t *testing.T) {
	got := without([]string{"A=1", "AB=2", "B=", "C=A=1"}, "A", "B")
	if !slices.Equal(got, []string{"AB=2", "C=A=1"}) {
		t.Error(got)
	}
}

func TestFillBatches(t *testing.T) {
	fds := func(n int) Connection { return Connection{Fds: make([]int, n)} }
	state := func(n int) Connection { return Connection{State: make([]byte, n)} }
	for _, c := range []struct {
		name string
		all  []Connection
		want int
	}{
		{"one", []Connection{fds(1)}, 1},
		{"as many as a batch", slices.Repeat([]Connection{fds(1)}, message.Batch), message.Batch},
		{"one more", slices.Repeat([]Connection{fds(1)}, message.Batch+1), message.Batch},
		{"relays", slices.Repeat([]Connection{fds(2)}, message.Batch), message.Batch / 2},
		{"one with more than a batch", []Connection{fds(message.Batch + 50), fds(1)}, 1},
		{"much state", []Connection{state(offerBytes - 10), state(10), state(1)}, 2},
		{"too much in one", []Connection{state(offerBytes * 3), state(1)}, 1},
	} {
		if got := fill(c.all); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestPrivilegesByName(t *testing.T) {
	p, err := Privileges{User: "root", NoNewPrivileges: true, DropCapabilities: true, Keep: []string{"net_raw"}}.resolve()
	if err != nil || !p.User || p.UID != 0 || !p.NoNewPrivs || len(p.Keep) != 1 || p.Keep[0].String() != "CAP_NET_RAW" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := (Privileges{User: "0", Group: "0"}).resolve(); err != nil || p.GID != 0 || len(p.Groups) != 0 {
		t.Errorf("by number: %+v, %v", p, err)
	}
	if p, err := (Privileges{}).resolve(); err != nil || p.User {
		t.Errorf("nothing asked: %+v, %v", p, err)
	}
	for _, bad := range []Privileges{{User: "no-such-user"}, {User: "root", Group: "no-such-group"}, {Group: "root"}, {Keep: []string{"net_everything"}}} {
		if _, err := bad.resolve(); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestMasterRecordIsChecked gives a new master what is no record of an old one.
func TestMasterRecordIsChecked(t *testing.T) {
	record := func(content string) string {
		f, err := sys.Memfd("record")
		if err != nil {
			t.Fatal(err)
		}
		fd, err := sys.Dup(sys.FileDescriptor(f))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(fd) // readState closes it
	}
	for _, value := range []string{"", "x", "2", "99999", record(""), record("{"), record(`{"Version": 99}`), record(`{"Version": "1"}`)} {
		t.Setenv(stateVariable, value)
		if _, err := readState(); !errors.Is(err, errRecord) {
			t.Errorf("%q: %v", value, err)
		}
		if os.Getenv(stateVariable) != "" {
			t.Error("the variable is still there")
		}
	}
	t.Setenv(stateVariable, record(`{"Version": 1, "FieldOfTheFuture": [1], "Control": 7}`))
	if s, err := readState(); err != nil || s.Control != 7 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestAlike: only two that say so are known to differ.
func TestAlike(t *testing.T) {
	const b, n = message.FeatureBlocking, message.FeatureNonBlocking
	for _, c := range []struct {
		a, b message.Features
		want bool
	}{{b, b, true}, {n | message.FeatureAdopt, n, true}, {b, n, false}, {n, b | message.FeatureResume, false}, {0, n, true}, {b, 0, true}} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("%b and %b: %v", c.a, c.b, got)
		}
	}
}

// TestExecThatFails: whatever keeps a master from becoming another program, no child inherits what that one was to have.
func TestExecThatFails(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles(r, w)
	for _, keep := range [][]int{{sys.FileDescriptor(r), 1 << 28, sys.FileDescriptor(w)}, {sys.FileDescriptor(r), sys.FileDescriptor(w)}} {
		if err := execKeeping(keep, "/nonexistent", nil); err == nil {
			t.Fatal("it did not fail")
		}
		for _, f := range []*os.File{r, w} {
			if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_GETFD, 0); errno != 0 || flags&syscall.FD_CLOEXEC == 0 {
				t.Errorf("descriptor %d of %v stays open on exec (%v)", f.Fd(), keep, errno)
			}
		}
	}
}

// TestResumeFollowsHandOver: a worker that is to hand over and at once is to go on, because the other one has died, hears of both in this
// order, and of the second when it is done with the first.
func TestResumeFollowsHandOver(t *testing.T) {
	m := &master{log: slog.New(slog.DiscardHandler), inbox: make(chan func(), inboxSize), ended: make(chan struct{}), children: map[lifecycle.WorkerID]*child{}}
	m.o.Limits = lifecycle.DefaultLimits()
	heard, goOn := make(chan string), make(chan struct{})
	for id, name := range map[lifecycle.WorkerID]string{1: "old", 2: "new"} {
		m.children[id] = &child{id: id, link: linked(t, uint64(id), func(msg message.Message) {
			heard <- fmt.Sprintf("%s %T", name, msg)
			<-goOn
		})}
	}
	m.handOver(lifecycle.HandOver{From: 1, To: 2})
	resumed := make(chan struct{})
	m.resume(1, func() { close(resumed) })
	for _, want := range []string{"new *message.HandOver", "old *message.HandOver", "old *message.Resume"} {
		if got := <-heard; got != want {
			t.Fatalf("%s came, not %s", got, want)
		}
		select {
		case got := <-heard:
			t.Fatalf("%s came before the answer to %s", got, want)
		case <-time.After(30 * time.Millisecond):
		}
		goOn <- struct{}{}
	}
	<-resumed
	m.telling.Wait()
}

// linked is a master's link to a worker that has heard do what it is told.
func linked(t *testing.T, generation uint64, told func(message.Message)) *link.Link {
	t.Helper()
	a, b, err := sys.SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	shake := func(f *os.File, as message.Role, how func(context.Context, *net.UnixConn, *message.Hello, link.Permit, *slog.Logger) (*link.Link, error)) *link.Link {
		conn, err := link.FromFile(f)
		if err != nil {
			t.Error(err)
			return nil
		}
		h := newHello(as, "test", generation)
		h.Features |= message.FeatureConnections | message.FeatureResume
		l, err := how(t.Context(), conn, h, link.Anyone, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			return nil
		}
		t.Cleanup(l.Close)
		return l
	}
	greeted := make(chan *link.Link)
	go func() { greeted <- shake(b, message.RoleWorker, link.Connect) }()
	master, worker := shake(a, message.RoleMaster, link.Accept), <-greeted
	if t.Failed() {
		t.FailNow()
	}
	refuse := func(context.Context, *link.Delivery) link.Reply {
		return link.Refuse(message.ReasonForbidden, errNotAsked)
	}
	master.Start(refuse)
	worker.Start(func(_ context.Context, d *link.Delivery) link.Reply {
		told(d.Message)
		return link.Reply{}
	})
	return master
}
