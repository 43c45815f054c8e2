package lockfree_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/lockfree"
)

func awaitCleanup(t *testing.T, freed <-chan int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("a value taken out is still kept alive")
}

// values empties the list that begins at n.
func values[T any](n *lockfree.Node[T]) (vs []T) {
	for ; n != nil; n = n.Unlink() {
		vs = append(vs, n.Value)
	}
	return vs
}

func node[T any](v T) *lockfree.Node[T] { return &lockfree.Node[T]{Value: v} }

func wantValues(t *testing.T, got []int, want ...int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestMPSC(t *testing.T) {
	var l lockfree.MPSC[int]
	if !l.Empty() || l.TakeAll() != nil {
		t.Fatal("a new list is not empty")
	}
	if !l.Push(node(1)) || l.Push(node(2)) || l.Empty() {
		t.Fatal("only the first push finds the list empty")
	}
	var c lockfree.Chain[int]
	if wasEmpty, ok := l.PushChain(&c); wasEmpty || !ok {
		t.Fatal("an empty chain did something")
	}
	for v := 3; v <= 5; v++ {
		c.Append(node(v))
	}
	if wasEmpty, ok := l.PushChain(&c); wasEmpty || !ok || !c.Empty() {
		t.Fatal("the chain was not taken over")
	}
	l.Push(node(6))
	wantValues(t, values(l.TakeAll()), 1, 2, 3, 4, 5, 6)
	c.Append(node(7))
	if wasEmpty, _ := l.PushChain(&c); !wasEmpty {
		t.Fatal("a chain pushed to an empty list did not find it empty")
	}
	wantValues(t, values(l.TakeAll()), 7)
}

func TestMPSCSealed(t *testing.T) {
	var l lockfree.MPSC[int]
	l.Push(node(1))
	wantValues(t, values(l.Seal()), 1)
	n := node(2)
	if _, ok := l.TryPush(n); ok || n.Unlink() != nil {
		t.Error("a sealed list took a node, or linked it")
	}
	var c lockfree.Chain[int]
	c.Append(n)
	c.Append(node(3))
	if _, ok := l.PushChain(&c); ok || c.Empty() {
		t.Error("a sealed list took a chain")
	}
	if !l.Empty() || l.TakeAll() != nil || l.Seal() != nil {
		t.Error("a sealed list gave something")
	}
	if _, ok := l.TryPush(node(4)); ok {
		t.Error("TakeAll unsealed the list")
	}
	mustPanic(t, "a Push to a sealed list", func() { l.Push(node(5)) })
}

// TestMPSCStress has pushers reuse the nodes that the taker gives back, and counts the pushes that found it empty.
func TestMPSCStress(t *testing.T) {
	const pushers, own = 3, 4
	type message struct{ from, number int }
	var l lockfree.MPSC[message]
	each := stressed(t) / pushers
	var back [pushers]lockfree.MPSC[message]
	var firsts [pushers]int
	var done sync.WaitGroup
	for p := range pushers {
		done.Go(func() {
			var free *lockfree.Node[message]
			for range own {
				back[p].Push(new(lockfree.Node[message]))
			}
			for number := 0; number < each; {
				if free == nil {
					if free = back[p].TakeAll(); free == nil {
						runtime.Gosched()
						continue
					}
				}
				n := free
				free = n.Unlink()
				n.Value = message{p, number}
				if l.Push(n) {
					firsts[p]++
				}
				number++
			}
		})
	}
	var next [pushers]int
	takes := 0
	for got := 0; got < pushers*each; {
		n := l.TakeAll()
		if n == nil {
			runtime.Gosched()
			continue
		}
		takes++
		for n != nil {
			after, m := n.Unlink(), n.Value
			if m.number != next[m.from] {
				t.Fatalf("pusher %d: got %d, want %d", m.from, m.number, next[m.from])
			}
			next[m.from]++
			got++
			back[m.from].Push(n)
			n = after
		}
	}
	done.Wait()
	sum := 0
	for _, f := range firsts {
		sum += f
	}
	if sum != takes {
		t.Errorf("%d pushes found the list empty, but it was taken %d times", sum, takes)
	}
}

func TestInbox(t *testing.T) {
	b := lockfree.NewInbox[int](4)
	if wasEmpty, ok := b.Send(1); !wasEmpty || !ok {
		t.Fatal("the first message found the inbox full, or not empty")
	}
	if sent, wasEmpty := b.SendN([]int{2, 3, 4, 5, 6}); sent != 3 || wasEmpty {
		t.Fatalf("sent %d into room for 3", sent)
	}
	if _, ok := b.Send(7); ok || b.Len() != 4 {
		t.Fatalf("the limit does not hold: %d messages", b.Len())
	}
	if sent, _ := b.SendN([]int{7, 8}); sent != 0 {
		t.Fatal("the limit does not hold for SendN")
	}
	var got []int
	if n := b.Receive(func(v int) {
		got = append(got, v)
		if v == 1 {
			if _, ok := b.Send(9); ok {
				t.Error("room while the messages are still being received")
			}
		}
	}); n != 4 {
		t.Fatalf("received %d", n)
	}
	wantValues(t, got, 1, 2, 3, 4)
	if sent, wasEmpty := b.SendN([]int{10, 11}); sent != 2 || !wasEmpty {
		t.Fatal("no room after receiving")
	}
	got = nil
	if n := b.Close(func(v int) { got = append(got, v) }); n != 2 {
		t.Fatalf("received %d at the end", n)
	}
	wantValues(t, got, 10, 11)
	if _, ok := b.Send(12); ok {
		t.Error("sent to a closed inbox")
	}
	if sent, _ := b.SendN([]int{12, 13}); sent != 0 || b.Len() != 0 {
		t.Error("sent to a closed inbox, or counted it")
	}
	mustPanic(t, "an inbox with a limit below zero", func() { lockfree.NewInbox[int](-1) })
}

// Slices come in the order of the sends: what was sent together as it is, single values gathered, and nothing of them is kept.
func TestInboxSlices(t *testing.T) {
	b := lockfree.NewInbox[*int](5000)
	value := func(v int) *int { return &v }
	var kept []*int
	send := func(from, to int) {
		vs := make([]*int, 0, to-from)
		for v := from; v < to; v++ {
			vs = append(vs, value(v))
		}
		if n, _ := b.SendN(vs); n != len(vs) {
			t.Fatalf("sent %d of %d", n, len(vs))
		}
	}
	var sizes, got []int
	take := func(vs []*int) {
		sizes = append(sizes, len(vs))
		for _, v := range vs {
			got = append(got, *v)
		}
		kept = vs
	}
	b.Send(value(0))
	b.Send(value(1))
	send(2, 5)
	send(5, 6)
	b.Send(value(6))
	if n := b.ReceiveSlices(take); n != 7 || b.Len() != 0 {
		t.Errorf("received %d, %d are left", n, b.Len())
	}
	wantValues(t, sizes, 2, 3, 1, 1)
	wantValues(t, got, 0, 1, 2, 3, 4, 5, 6)
	if kept[0] != nil {
		t.Error("a slice is not emptied after its use")
	}
	if n := b.ReceiveSlices(take); n != 0 {
		t.Errorf("received %d of nothing", n)
	}
	sizes, got = nil, nil
	for v := range 2500 { // more than are gathered in one slice
		b.Send(value(v))
	}
	if b.Closed() {
		t.Error("closed before its end")
	}
	if n := b.CloseSlices(take); n != 2500 || !b.Closed() || b.CloseSlices(take) != 0 {
		t.Errorf("received %d at the end", n)
	}
	wantValues(t, sizes, 1024, 1024, 452)
	for i, v := range got {
		if i != v {
			t.Fatalf("value %d came as number %d", v, i)
		}
	}
	if _, ok := b.Send(value(1)); ok {
		t.Error("sent to a closed inbox")
	}
}

// TestInboxStress closes the inbox while messages are sent: each that was accepted arrives, in its sender's order.
func TestInboxStress(t *testing.T) {
	const senders = 3
	type message struct{ from, number int }
	b := lockfree.NewInbox[message](100)
	var sent [senders]int
	var done sync.WaitGroup
	closed := make(chan struct{})
	for s := range senders {
		done.Go(func() {
			for {
				m := []message{{s, sent[s]}, {s, sent[s] + 1}}
				n := 0
				if s == 0 {
					if _, ok := b.Send(m[0]); ok {
						n = 1
					}
				} else {
					n, _ = b.SendN(m)
				}
				sent[s] += n
				if n == 0 {
					select {
					case <-closed:
						return
					default:
						runtime.Gosched()
					}
				}
			}
		})
	}
	var next [senders]int
	got := 0
	receive := func(m message) {
		if m.number != next[m.from] {
			t.Errorf("sender %d: got %d, want %d", m.from, m.number, next[m.from])
		}
		next[m.from]++
		got++
	}
	for n := stressed(t); got < n; {
		if b.Receive(receive) == 0 {
			runtime.Gosched()
		}
	}
	b.Close(receive)
	close(closed)
	done.Wait()
	if next != sent {
		t.Errorf("received %v of %v sent", next, sent)
	}
}
