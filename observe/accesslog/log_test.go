package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// sample is a record with every field set.
func sample() *Record {
	return &Record{
		Time:             time.Date(2026, 1, 2, 3, 4, 5, 6_007_000, time.UTC).UnixNano(),
		Duration:         1_234_567,
		UpstreamDuration: 1_000_999,
		Client:           netip.MustParseAddrPort("192.0.2.7:4711"),
		Method:           []byte("GET"),
		Host:             []byte("example.com"),
		Path:             []byte("/a?b=c"),
		Referer:          []byte("http://r/"),
		UserAgent:        []byte(`agent "x"`),
		RequestID:        []byte("id-1"),
		Protocol:         "HTTP/1.1",
		Listener:         "web",
		Route:            "api",
		Cluster:          "site",
		Upstream:         "127.0.0.1:3000",
		Code:             "upstream_reset",
		Status:           502,
		Retries:          1,
		BytesIn:          10,
		BytesOut:         20,
	}
}

// openTemp opens a log in a temporary folder and closes it after the test.
func openTemp(t testing.TB, format Format, buffer, producers int) (*Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := Open(Spec{Path: path, Format: format, Buffer: buffer}, producers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

// read returns the lines of a file.
func read(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		t.Errorf("%s ends within a line", path)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestLogWritesWithoutClose(t *testing.T) {
	l, path := openTemp(t, FormatJSON, 0, 1)
	if !l.Producer(0).Enabled() || !l.Producer(0).Push(sample()) {
		t.Fatal("not accepted")
	}
	for deadline := time.Now().Add(5 * time.Second); l.Written() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the record did not reach the file by itself")
		}
	}
	if lines := read(t, path); len(lines) != 1 || !strings.Contains(lines[0], `"request_id":"id-1"`) {
		t.Errorf("wrote %q", lines)
	}
}

func TestManyProducers(t *testing.T) {
	const producers, each = 4, 20_000
	l, path := openTemp(t, FormatJSON, MinBuffer, producers)
	accepted := make([]uint64, producers)
	var wg sync.WaitGroup
	for i := range producers {
		wg.Go(func() {
			p := l.Producer(i)
			r := sample()
			for n := range each {
				// Sizes vary, so that records meet the ring's end everywhere.
				r.Path = fmt.Appendf(r.Path[:0], "/%d/%d/%s", i, n, strings.Repeat("x", n%701))
				if p.Push(r) {
					accepted[i]++
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var total uint64
	for _, n := range accepted {
		total += n
	}
	lines := read(t, path)
	if uint64(len(lines)) != total || l.Written() != total || l.Dropped() != producers*each-total {
		t.Errorf("%d accepted, %d lines, %d written, %d dropped", total, len(lines), l.Written(), l.Dropped())
	}
	last := [producers]int{-1, -1, -1, -1}
	for _, line := range lines {
		var got struct{ Path string }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		var loop, n int
		var fill string
		if _, err := fmt.Sscanf(strings.ReplaceAll(got.Path+"/-", "/", " "), "%d %d %s", &loop, &n, &fill); err != nil {
			t.Fatalf("%v in %s", err, got.Path)
		}
		if n <= last[loop] {
			t.Fatalf("loop %d: %d came after %d", loop, n, last[loop])
		}
		if n%701 > 0 && fill != strings.Repeat("x", n%701) {
			t.Fatalf("loop %d: record %d is damaged", loop, n)
		}
		last[loop] = n
	}
}

// stopped returns a log whose writer does not run, to look at a full ring.
func stopped(buffer int) (*Log, *Producer) {
	l := &Log{wake: make(chan struct{}, 1)}
	p := &Producer{log: l, ring: newRing(buffer)}
	l.producers = []*Producer{p}
	return l, p
}

func TestFullRingDropsAndCounts(t *testing.T) {
	l, p := stopped(MinBuffer)
	r := sample()
	accepted := 0
	for p.Push(r) {
		accepted++
	}
	if accepted < MinBuffer {
		t.Errorf("only %d records fit, fewer than asked for", accepted)
	}
	for range 9 {
		if p.Push(r) {
			t.Fatal("a full ring took a record")
		}
	}
	if p.Dropped() != 10 || l.Dropped() != 10 {
		t.Errorf("dropped %d, want 10", l.Dropped())
	}
	// Room for one record makes room for exactly that.
	_, after := p.ring.next(p.ring.tail.Load())
	p.ring.release(after)
	if !p.Push(r) || p.Push(r) {
		t.Error("room given back was not used, or more than it")
	}
}

func TestRouseOncePerDrain(t *testing.T) {
	l, p := stopped(MinBuffer)
	l.asleep.Store(true)
	for range 10 {
		p.Push(sample())
	}
	if len(l.wake) != 0 {
		t.Error("roused below half")
	}
	for p.Push(sample()) {
	}
	if len(l.wake) != 1 || l.asleep.Load() {
		t.Fatal("not roused past half")
	}
	<-l.wake
	p.Push(sample())
	if len(l.wake) != 0 {
		t.Error("roused twice between two drains")
	}
}

func TestReopenAfterRename(t *testing.T) {
	l, path := openTemp(t, FormatCombined, 0, 1)
	p := l.Producer(0)
	r := sample()
	for i, id := range []string{"/one", "/two"} {
		r.Path = []byte(id)
		p.Push(r)
		if err := os.Rename(path, fmt.Sprint(path, ".", i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	r.Path = []byte("/three")
	p.Push(r)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{path + ".0": "/one", path + ".1": "/two", path: "/three"} {
		if lines := read(t, file); len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf("%s holds %q, want %s", filepath.Base(file), lines, want)
		}
	}
	if err := l.Reopen(); !errors.Is(err, ErrClosed) {
		t.Errorf("Reopen after Close: %v", err)
	}
}

func TestReopenFailureKeepsTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Spec{Path: filepath.Join(dir, "a.log")}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Reopen = %v", err)
	}
	l.Producer(0).Push(sample())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if lines := read(t, filepath.Join(dir+"2", "a.log")); len(lines) != 1 || lines[0] == "" {
		t.Errorf("the old file holds %q", lines)
	}
}

func TestDiskFullIsCountedAndReported(t *testing.T) {
	l, err := Open(Spec{Path: "/dev/full"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.Producer(0).Push(sample())
	}
	if err := l.Close(); err == nil || l.Dropped() != 3 || l.Written() != 0 {
		t.Errorf("Close = %v, dropped %d, written %d", err, l.Dropped(), l.Written())
	}
}

func TestSlowPipeDropsInsteadOfBlocking(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := &Log{spec: Spec{Path: "pipe", Format: FormatJSON, Buffer: MinBuffer}}
	l.start(&sink{file: w}, 1)
	p := l.Producer(0)
	for deadline := time.Now().Add(5 * time.Second); p.Dropped() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody reads the pipe, yet nothing was dropped")
		}
		p.Push(sample())
	}
	go bytes.NewBuffer(nil).ReadFrom(r) // the reader comes back
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestTornLineIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s, err := openSink(path)
	if err != nil {
		t.Fatal(err)
	}
	s.write([]byte("half"))
	s.write([]byte("whole\n"))
	s.close()
	if lines := read(t, path); len(lines) != 2 || lines[0] != "half" || lines[1] != "whole" {
		t.Errorf("got %q", lines)
	}
}

func TestOff(t *testing.T) {
	l, err := Open(Spec{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	p := l.Producer(1)
	if p.Enabled() || !p.Push(sample()) || p.Dropped() != 0 || l.Dropped() != 0 || l.Written() != 0 {
		t.Error("a log that is off does something")
	}
	if l.Reopen() != nil || l.Close() != nil || l.Close() != nil {
		t.Error("a log that is off fails")
	}
}

func TestPushAfterCloseIsCounted(t *testing.T) {
	l, path := openTemp(t, FormatJSON, 0, 1)
	l.Producer(0).Push(sample())
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if l.Producer(0).Push(sample()) || l.Dropped() != 1 {
		t.Error("a record after Close was taken or not counted")
	}
	if n := len(read(t, path)); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, spec := range []Spec{
		{Path: "x", Format: "xml"},
		{Path: "x", Buffer: MinBuffer - 1},
		{Path: "x", Buffer: MaxBuffer + 1},
		{Path: filepath.Join(t.TempDir(), "none", "x")},
	} {
		if l, err := Open(spec, 1); err == nil {
			l.Close()
			t.Errorf("%+v was accepted", spec)
		}
	}
	var s Spec
	s.SetDefaults()
	if err := s.Check(); err != nil || s.Format != FormatJSON || s.Buffer != DefaultBuffer {
		t.Errorf("defaults: %+v, %v", s, err)
	}
}

// TestMain plays the program of TestStdoutWithoutReader when asked to.
func TestMain(m *testing.M) {
	if os.Getenv("ACCESSLOG_TEST_STDOUT") == "" {
		os.Exit(m.Run())
	}
	os.Stdin.Read(make([]byte, 1)) // until the reader of stdout is gone
	l, err := Open(Spec{Path: pathStdout}, 1)
	if err != nil {
		os.Exit(3)
	}
	l.Producer(0).Push(sample())
	if l.Close() == nil || l.Dropped() != 1 {
		os.Exit(4)
	}
	fmt.Fprint(os.Stderr, "alive")
	os.Exit(0)
}

func TestStdoutWithoutReader(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ACCESSLOG_TEST_STDOUT=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	stdin.Close()
	if err := cmd.Wait(); err != nil || stderr.String() != "alive" {
		t.Errorf("the process ended with %v, said %q", err, stderr.String())
	}
}

func TestPushAllocatesNothing(t *testing.T) {
	l, _ := openTemp(t, FormatJSON, 0, 1)
	p, r := l.Producer(0), sample()
	if n := testing.AllocsPerRun(1000, func() { p.Push(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPush(b *testing.B) {
	_, p := stopped(DefaultBuffer)
	r := sample()
	b.ReportAllocs()
	for b.Loop() {
		if !p.Push(r) {
			p.ring.release(p.ring.head.Load())
		}
	}
}
