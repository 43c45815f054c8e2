package applog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringway/ringway/config"
)

// gate is a writer that is stuck until it is opened.
type gate struct {
	open chan struct{}
	got  bytes.Buffer
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.got.Write(p)
}

// lines are what was written; the log must have been closed.
func lines(b *bytes.Buffer) []string {
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func TestCloseFlushesInOrder(t *testing.T) {
	var out bytes.Buffer
	l := Open(Spec{Level: "info", Format: Text}, &out)
	for i := range queued {
		l.Info("line", "n", i)
	}
	l.Close()
	got := lines(&out)
	if len(got) != queued {
		t.Fatalf("%d lines of %d", len(got), queued)
	}
	for i, line := range got {
		if !strings.HasSuffix(line, fmt.Sprintf(" level=INFO msg=line n=%d", i)) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

// A stuck writer costs lines, never time: the loop that logs goes on, and the log says how many are missing.
func TestStuckWriterHoldsNobodyUp(t *testing.T) {
	const missing = 50
	for _, c := range []struct {
		format Format
		note   string
	}{
		{Text, ` level=WARN msg="log lines dropped" lines=50`},
		{JSON, `,"level":"WARN","msg":"log lines dropped","lines":50}`},
	} {
		t.Run(string(c.format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				l := Open(Spec{Level: "error", Format: c.format}, g)
				l.Error("taken")
				synctest.Wait() // the writer has it, and is stuck
				start := time.Now()
				for range queued + missing {
					l.Error("line")
				}
				if d := time.Since(start); d != 0 {
					t.Errorf("logging waited for %v", d)
				}
				close(g.open)
				l.Close()
				got := lines(&g.got)
				if want := 1 + 1 + queued; len(got) != want {
					t.Fatalf("%d lines, want %d", len(got), want)
				}
				if !strings.HasSuffix(got[1], c.note) {
					t.Errorf("the note is %q, want it to end with %q", got[1], c.note)
				}
			})
		})
	}
}

func TestCloseGivesAStuckWriterUp(t *testing.T) {
	for name, n := range map[string]int{"room in the queue": 1, "queue full": queued + 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				l := Open(Spec{}, g)
				l.Info("taken")
				synctest.Wait()
				for range n {
					l.Info("line")
				}
				start := time.Now()
				l.Close()
				l.Close()
				if d := time.Since(start); d != flushLimit {
					t.Errorf("Close took %v, want %v", d, flushLimit)
				}
				close(g.open)
				if n > queued { // the end found no room; give the writer one, since the bubble must be empty at its end
					l.lines <- nil
				}
			})
		})
	}
}

func TestLinesAfterCloseAreDropped(t *testing.T) {
	var out bytes.Buffer
	l := Open(Spec{Level: "info", Format: Text}, &out)
	l.Info("before")
	l.Close()
	for range 2 * queued {
		l.Info("after")
	}
	if got := lines(&out); len(got) != 1 || !strings.Contains(got[0], "msg=before") {
		t.Errorf("got %q", got)
	}
}

// Every line is either written or counted, whoever logs. The count is what the log itself says.
func TestManyLogAtOnce(t *testing.T) {
	const loggers, each = 8, 2000
	var out bytes.Buffer
	l := Open(Spec{Level: "info", Format: JSON}, &out)
	var all sync.WaitGroup
	for range loggers {
		all.Go(func() {
			for range each {
				l.Info("line")
			}
		})
	}
	all.Wait()
	l.Info("last") // so that there is a line to tell after
	l.Close()
	total := 0
	for _, line := range lines(&out) {
		var r struct {
			Msg   string
			Lines int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("torn line %q: %v", line, err)
		}
		switch r.Msg {
		case "line", "last":
			total++
		case "log lines dropped":
			total += r.Lines
		default:
			t.Fatalf("unexpected %q", line)
		}
	}
	if want := loggers*each + 1; total != want {
		t.Errorf("%d lines written or counted, want %d", total, want)
	}
}

func TestLevelAndFormat(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string // of the four lines, the levels that come through
	}{
		{Spec{Level: "debug", Format: Text}, "DEBUG INFO WARN ERROR"},
		{Spec{Level: "info", Format: JSON}, "INFO WARN ERROR"},
		{Spec{Level: "warn", Format: Text}, "WARN ERROR"},
		{Spec{Level: "error", Format: JSON}, "ERROR"},
		{Spec{}, "INFO WARN ERROR"},
	} {
		var out bytes.Buffer
		l := Open(c.spec, &out)
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			l.Log(t.Context(), level, "x")
		}
		l.Close()
		var got []string
		for _, line := range lines(&out) {
			if isJSON := json.Valid([]byte(line)); isJSON != (c.spec.Format == JSON) {
				t.Errorf("%+v: %q", c.spec, line)
			}
			for _, level := range []string{"DEBUG", "INFO", "WARN", "ERROR"} {
				if strings.Contains(line, level) {
					got = append(got, level)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q came through, want %s", c.spec, got, c.want)
		}
	}
}

func TestSpecInAFile(t *testing.T) {
	var s Spec
	if err := config.Decode("log.yaml", []byte("{level: warn}"), &s); err != nil || s != (Spec{Level: "warn", Format: Text}) {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, text := range []string{"{level: loud}", "{format: xml}"} {
		if err := config.Decode("log.yaml", []byte(text), new(Spec)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}
