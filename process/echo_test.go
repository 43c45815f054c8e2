package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// echo is the Service that the tests run in real processes: a TCP server that answers each line with the line and the
// number of lines that the connection has had, whoever served them. Its configuration is lines:
//
//	listen NAME ADDRESS SOCKETS   a listener
//	drain DURATION                the drain timeout
//	fault WHAT                    at the start: refuse, panic, hang, slow, exit, kill
//	reload WHAT                   fail at a reload: refuse, panic, hang
//	move WHAT                     while connections are given: kill N (after N were offered), error, hang
//	take WHAT                     while connections are taken: kill N (after N), killcommit (with the first), killopen (before any), refuse,
//	                              hang (and Resume as well)
type echo struct {
	mu        sync.Mutex
	config    string
	setup     Setup
	listeners map[ListenerKey][]net.Listener
	conns     map[*echoConn]bool
	held      bool // nothing is accepted yet
	imported  []*echoConn
	taken     int
	wait      sync.WaitGroup
}

// echoConn is a connection and its state: how many lines it has had, and bytes that were read and are no line yet.
type echoConn struct {
	c       *net.TCPConn
	lines   int
	rest    []byte
	pause   chan struct{} // closed when it is to come to rest
	resting chan struct{} // closed when it has, or has ended
	ended   bool
}

func words(config, first string) (found [][]string) {
	for line := range strings.Lines(config) {
		if w := strings.Fields(line); len(w) > 0 && w[0] == first {
			found = append(found, w[1:])
		}
	}
	return found
}

func has(config, line string) bool {
	for l := range strings.Lines(config) {
		if strings.TrimSpace(l) == line {
			return true
		}
	}
	return false
}

// misbehave does what the configuration says after a word.
func misbehave(config, word string) error {
	switch {
	case has(config, word+" refuse"):
		return errors.New("line 1: no such key")
	case has(config, word+" panic"):
		go panic("the service has a fault")
		time.Sleep(time.Hour)
	case has(config, word+" hang"):
		time.Sleep(time.Hour)
	case has(config, word+" slow"):
		time.Sleep(400 * time.Millisecond)
	case has(config, word+" exit"):
		os.Exit(7)
	case has(config, word+" kill"):
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return nil
}

func (e *echo) Start(ctx context.Context, s Setup) (Running, error) {
	config := string(s.Config.Bytes)
	if err := misbehave(config, "fault"); err != nil {
		return Running{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setup, e.listeners, e.conns, e.held = s, map[ListenerKey][]net.Listener{}, map[*echoConn]bool{}, s.Held
	return e.apply(ctx, config, s.Listen)
}

// apply opens what the configuration lists and is not open, and closes what it does not list.
func (e *echo) apply(ctx context.Context, config string, listen ListenFunc) (Running, error) {
	var wanted []Wanted
	var r Running
	in := map[ListenerKey]bool{}
	for _, w := range words(config, "listen") {
		n, err := strconv.Atoi(w[2])
		if err != nil {
			return r, err
		}
		key := ListenerKey{Name: w[0], Address: w[1]}
		in[key] = true
		r.Listeners = append(r.Listeners, key)
		if e.listeners[key] == nil {
			wanted = append(wanted, Wanted{ListenerKey: key, Sockets: n, Backlog: 64})
		}
	}
	sockets, err := listen(ctx, wanted)
	if err != nil {
		return r, err
	}
	for _, s := range sockets {
		f := os.NewFile(uintptr(s.Fd), s.Name)
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return r, err
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		e.listeners[s.ListenerKey] = append(e.listeners[s.ListenerKey], l)
		if !e.held {
			e.wait.Go(func() { e.accept(l) })
		}
	}
	for key, all := range e.listeners {
		if !in[key] {
			for _, l := range all {
				l.Close()
			}
			delete(e.listeners, key)
		}
	}
	for _, w := range words(config, "drain") {
		if r.DrainTimeout, err = time.ParseDuration(w[0]); err != nil {
			return r, err
		}
	}
	e.config = config
	return r, nil
}

func (e *echo) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if t, ok := c.(*net.TCPConn); ok {
			e.serve(&echoConn{c: t})
		} else {
			e.wait.Go(func() { e.command(c) })
		}
	}
}

// command does what the one line on a Unix connection says, as an admin API would.
func (e *echo) command(c net.Conn) {
	defer c.Close()
	line, _ := bufio.NewReader(c).ReadString('\n')
	var answer any = os.Getpid()
	switch strings.TrimSpace(line) {
	case "upgrade":
		answer = e.setup.Master.Upgrade(context.Background())
	case "reload":
		r, err := e.setup.Master.Reload(context.Background(), ReloadRequest{})
		answer = fmt.Sprint(r.Hash, err)
	case "status":
		state, _, err := e.setup.Master.Status(context.Background())
		answer = fmt.Sprint(state, err)
	case "fail":
		e.setup.Fail(errors.New("loop 0 has ended"))
	}
	fmt.Fprintln(c, answer)
}

// serve begins to serve a connection.
func (e *echo) serve(c *echoConn) {
	c.pause, c.resting = make(chan struct{}), make(chan struct{})
	e.mu.Lock()
	e.conns[c] = true
	e.mu.Unlock()
	e.wait.Go(func() {
		ended := !c.loop()
		c.ended = ended
		close(c.resting) // if it rests it is somebody else's from here on
		if ended {
			c.c.Close()
			e.mu.Lock()
			delete(e.conns, c)
			e.mu.Unlock()
		}
	})
}

// loop answers lines until the end, or until the connection is at rest and is to be.
func (c *echoConn) loop() (rests bool) {
	buf := make([]byte, 4096)
	for {
		for {
			i := strings.IndexByte(string(c.rest), '\n')
			if i < 0 {
				break
			}
			c.lines++
			answer := fmt.Sprintf("%s %d %d\n", c.rest[:i], c.lines, os.Getpid())
			c.rest = c.rest[i+1:]
			if _, err := io.WriteString(c.c, answer); err != nil {
				return false
			}
		}
		select {
		case <-c.pause:
			return true
		default:
		}
		n, err := c.c.Read(buf)
		c.rest = append(c.rest, buf[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
}

// rest brings a connection to rest; false says that it has ended.
func (c *echoConn) toRest() bool {
	close(c.pause)
	_ = c.c.SetReadDeadline(time.Unix(1, 0))
	<-c.resting
	_ = c.c.SetReadDeadline(time.Time{})
	return !c.ended
}

func (e *echo) Reload(ctx context.Context, c Change) (Outcome, error) {
	config := string(c.Config.Bytes)
	if err := misbehave(config, "reload"); err != nil {
		return Outcome{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	diff := ""
	if config != e.config {
		diff = fmt.Sprintf("- %q\n+ %q", e.config, config)
	}
	if c.Preview {
		return Outcome{Diff: diff}, nil
	}
	r, err := e.apply(ctx, config, c.Listen)
	return Outcome{Running: r, Diff: diff}, err
}

func (e *echo) Reopen() error {
	return os.WriteFile(os.Getenv("RINGWAY_TEST_DIR")+"/reopened-"+strconv.Itoa(os.Getpid()), nil, 0o600)
}

func (e *echo) Status() any {
	e.mu.Lock()
	defer e.mu.Unlock()
	return map[string]int{"connections": len(e.conns), "descriptors": countDescriptors()}
}

func countDescriptors() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

func (e *echo) stopAccepting() {
	for _, all := range e.listeners {
		for _, l := range all {
			l.Close()
		}
	}
	e.listeners = map[ListenerKey][]net.Listener{}
}

func (e *echo) Drain(ctx context.Context, _ bool) error {
	e.mu.Lock()
	e.stopAccepting()
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { e.wait.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("cut off")
	}
}

func (e *echo) NonBlocking() bool { return true } // as Go's sockets are

func (e *echo) Export(ctx context.Context, to Giver) error {
	if err := to.Commit(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	config := e.config
	e.stopAccepting()
	var all []*echoConn
	for c := range e.conns {
		all = append(all, c)
	}
	e.mu.Unlock()
	rests := map[uint64]*echoConn{}
	goOn := func() {
		for _, c := range rests {
			e.serve(c)
		}
	}
	for i, c := range all {
		if !c.toRest() {
			continue
		}
		rests[uint64(i)] = c
		f, err := c.c.File()
		if err != nil {
			goOn()
			return err
		}
		state := append(strconv.AppendInt(nil, int64(c.lines), 10), ' ')
		refused, err := to.Offer(ctx, []Connection{{ID: uint64(i), Kind: "echo", State: append(state, c.rest...), Fds: []int{int(f.Fd())}}})
		f.Close()
		switch {
		case err != nil:
			goOn()
			return err
		case len(refused) > 0:
			delete(rests, uint64(i))
			e.serve(c)
		}
		switch w := words(config, "move"); {
		case len(w) > 0 && w[0][0] == "kill" && w[0][1] == strconv.Itoa(i):
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case len(w) > 0 && w[0][0] == "hang":
			<-ctx.Done()
		case len(w) > 0 && w[0][0] == "error":
			goOn()
			return errors.New("the service cannot give more")
		}
	}
	if err := to.Commit(ctx); err != nil {
		goOn()
		return err
	}
	fmt.Fprintf(os.Stderr, "given away by %d\n", os.Getpid())
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range rests {
		c.c.Close()
		delete(e.conns, c)
	}
	return nil
}

// open accepts from what a held start has left alone.
func (e *echo) open() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.held {
		return
	}
	e.held = false
	for _, all := range e.listeners {
		for _, l := range all {
			e.wait.Go(func() { e.accept(l) })
		}
	}
}

func (e *echo) Resume() error {
	e.mu.Lock()
	hangs := has(e.config, "take hang")
	e.mu.Unlock()
	if hangs {
		time.Sleep(time.Hour)
	}
	e.open()
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := e.apply(context.Background(), e.config, e.setup.Listen)
	return err
}

func (e *echo) Import(all []Connection) (refused []uint64) {
	e.mu.Lock()
	config := e.config
	e.mu.Unlock()
	w := words(config, "take")
	if has(config, "take hang") {
		time.Sleep(time.Hour)
	}
	for _, c := range all {
		if c.Kind != "echo" || len(w) > 0 && w[0][0] == "refuse" {
			refused = append(refused, c.ID)
			continue
		}
		if len(w) > 0 && w[0][0] == "kill" && w[0][1] == strconv.Itoa(e.taken) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		e.taken++
		f := os.NewFile(uintptr(c.Fds[0]), "imported")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			panic(err)
		}
		lines, rest, _ := strings.Cut(string(c.State), " ")
		n, _ := strconv.Atoi(lines)
		e.imported = append(e.imported, &echoConn{c: conn.(*net.TCPConn), lines: n, rest: []byte(rest)})
	}
	return refused
}

func (e *echo) Commit() {
	e.mu.Lock()
	config := e.config
	e.mu.Unlock()
	if has(config, "take killopen") || has(config, "take killcommit") && len(e.imported) > 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	e.open()
	for _, c := range e.imported {
		e.serve(c)
	}
	e.imported = nil
}

func (e *echo) Abort() {
	e.open()
	for _, c := range e.imported {
		c.c.Close()
	}
	e.imported = nil
}

// talker is a client that sends numbered lines and sees that each comes back, counted without a gap.
type talker struct {
	c     net.Conn
	r     *bufio.Reader
	sent  int
	owner int // the process that answered last
}

func dialTalker(address string) (*talker, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &talker{c: c, r: bufio.NewReader(c)}, nil
}

// say sends a line, in two pieces when split, and reads its answer.
func (t *talker) say(split time.Duration) error {
	t.sent++
	line := fmt.Sprintf("line-%d\n", t.sent)
	_ = t.c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(t.c, line[:4]); err != nil {
		return fmt.Errorf("write %d: %w", t.sent, err)
	}
	time.Sleep(split)
	if _, err := io.WriteString(t.c, line[4:]); err != nil {
		return fmt.Errorf("write %d: %w", t.sent, err)
	}
	answer, err := t.r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read %d: %w", t.sent, err)
	}
	var number, count int
	if _, err := fmt.Sscanf(answer, "line-%d %d %d\n", &number, &count, &t.owner); err != nil || number != t.sent || count != t.sent {
		return fmt.Errorf("line %d was answered %q", t.sent, answer)
	}
	return nil
}
