package errs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func TestWrapKeepsCodeAndCause(t *testing.T) {
	root := New(UpstreamTimeout, "no head in 5s")
	tests := []struct {
		name string
		err  error
		code Code
		line string
	}{
		{"bare", root, UpstreamTimeout, "no head in 5s"},
		{"wrapped", Wrap(root, "send"), UpstreamTimeout, "send: no head in 5s"},
		{"formatted", Wrapf(root, "send to %d", 7), UpstreamTimeout, "send to 7: no head in 5s"},
		{"through fmt", Wrap(fmt.Errorf("mid: %w", root), "top"), UpstreamTimeout, "top: mid: no head in 5s"},
		{"reclassified", From(ClientClosed, root, "gone"), ClientClosed, "gone: no head in 5s"},
		{"public", root.Public("slow"), UpstreamTimeout, "no head in 5s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CodeOf(tt.err); got != tt.code {
				t.Errorf("CodeOf = %q, want %q", got, tt.code)
			}
			if got := tt.err.Error(); got != tt.line {
				t.Errorf("Error() = %q, want %q", got, tt.line)
			}
			if !errors.Is(tt.err, UpstreamTimeout) {
				t.Error("errors.Is does not find the root's code")
			}
			if errors.Is(tt.err, UpstreamReset) {
				t.Error("errors.Is finds a code that is not there")
			}
			var e *Error
			if !errors.As(tt.err, &e) || e.Code() != tt.code || e.Status() != tt.code.Status() {
				t.Errorf("errors.As found %v", e)
			}
		})
	}
}

func TestForeignErrors(t *testing.T) {
	err := Wrap(io.ErrUnexpectedEOF, "read body")
	if CodeOf(err) != Internal || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("wrapped foreign error: code %q, %v", CodeOf(err), err)
	}
	err = Wrap(From(UpstreamBodyIncomplete, io.ErrUnexpectedEOF, "read body"), "relay")
	if CodeOf(err) != UpstreamBodyIncomplete || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("classified foreign error: code %q, %v", CodeOf(err), err)
	}
	if CodeOf(context.Canceled) != Internal || StatusOf(context.Canceled) != 500 {
		t.Error("an error without a code is not internal")
	}
	if got := CodeOf(fmt.Errorf("x: %w", Draining)); got != Draining {
		t.Errorf("CodeOf a wrapped bare code = %q", got)
	}
}

func TestNil(t *testing.T) {
	if Wrap(nil, "x") != nil || Wrapf(nil, "x") != nil {
		t.Error("wrapping nil is not nil")
	}
	if CodeOf(nil) != "" || SourceOf(nil) != SourceNone || StatusOf(nil) != 200 || RetryOf(nil) != RetryNo {
		t.Error("nil has properties")
	}
	if e := From(Internal, nil, "no cause"); e.Error() != "no cause" || e.Unwrap() != nil {
		t.Errorf("From nil = %v", e)
	}
}

func TestTable(t *testing.T) {
	seen := map[Code]bool{}
	for _, k := range table {
		if seen[k.code] {
			t.Errorf("%s is listed twice", k.code)
		}
		seen[k.code] = true
		if k.status < 400 || k.status > 599 || k.source == SourceNone || k.title == "" {
			t.Errorf("%s has an impossible row: %+v", k.code, k)
		}
		if k.retry != RetryNo && k.source != SourceUpstream {
			t.Errorf("%s: only what an upstream did can be retried", k.code)
		}
		if k.source == SourceUpstream != strings.HasPrefix(string(k.code), "upstream_") {
			t.Errorf("%s: name and source %s disagree", k.code, k.source)
		}
		err := Wrap(New(k.code, "m"), "w")
		if StatusOf(err) != k.status || SourceOf(err) != k.source || RetryOf(err) != k.retry {
			t.Errorf("%s: properties are lost in a wrap", k.code)
		}
	}
	if len(Codes()) != len(table) || !BadRequest.Known() || Code("nonsense").Known() {
		t.Error("Codes or Known do not follow the table")
	}
}

func TestUnknownCodeIsInternal(t *testing.T) {
	e := New("nonsense", "m")
	if e.Code() != Internal || !strings.Contains(e.Error(), `"nonsense"`) {
		t.Errorf("unknown code: %q %v", e.Code(), e)
	}
	if Code("nonsense").Status() != 500 {
		t.Error("an unknown code has a status of its own")
	}
}

func fromBelow() error { return From(UpstreamReset, io.ErrClosedPipe, "read head") }

func TestFormat(t *testing.T) {
	err := Wrapf(fmt.Errorf("plain layer: %w", fromBelow()), "forward to %s", "a")
	want := regexp.MustCompile(`^upstream_reset
0: forward to a, at errs/error_test\.go:\d+
1: plain layer
2: read head, at errs/error_test\.go:\d+
3: io: read/write on closed pipe$`)
	if got := fmt.Sprintf("%+v", err); !want.MatchString(got) {
		t.Errorf("%%+v = %s", got)
	}
	line := "forward to a: plain layer: read head: io: read/write on closed pipe"
	for format, want := range map[string]string{"%v": line, "%s": line, "%q": `"` + line + `"`, "%d": "%!d(*errs.Error=" + line + ")"} {
		if got := fmt.Sprintf(format, err); got != want {
			t.Errorf("%s = %s, want %s", format, got, want)
		}
	}
}

func TestContextsNameTheCaller(t *testing.T) {
	// Each constructor on a line of its own: the lines must rise one by one.
	a := New(Internal, "a")
	b := Wrap(a, "b").(*Error)
	c := Wrapf(b, "c").(*Error)
	d := From(Internal, c, "d")
	list := d.Contexts()
	if len(list) != 4 {
		t.Fatalf("%d contexts", len(list))
	}
	for i, c := range list {
		if want := list[0].Line - i; c.Line != want || c.File != "errs/error_test.go" {
			t.Errorf("context %d is at %s:%d, want line %d", i, c.File, c.Line, want)
		}
	}
}

func TestLogValue(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Error("request failed", "err", Wrap(fromBelow(), "top"))
	var got struct {
		Err struct {
			Code, Source string
			Contexts     []string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Err.Code != "upstream_reset" || got.Err.Source != "upstream" || len(got.Err.Contexts) != 3 ||
		!strings.HasPrefix(got.Err.Contexts[0], "top, at errs/error_test.go:") {
		t.Errorf("logged %s", out.String())
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = New(BadRequest, "m")
	}
}
