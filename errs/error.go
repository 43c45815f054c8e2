package errs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// module is cut off locations: every file of ours shares it.
const module = "github.com/ringway/ringway/"

// Error is a failure with a public code and one context: what the layer that
// made it was doing, and where. The contexts of the layers below are reached
// by Unwrap; together they are the stack that %+v prints.
//
// An Error is never changed after it was returned, so it may be shared.
type Error struct {
	kind   *kind
	msg    string
	public string  // detail a client may read; empty if none
	pc     uintptr // where the context was added; resolved only when printed
	cause  error   // nil, an *Error of the layer below, or a foreign error
}

// New returns an error of its own, with no cause. Its message is for the log;
// a client sees the code's title and what [Error.Public] adds.
func New(code Code, msg string) *Error {
	return build(code, nil, msg)
}

// From classifies an error that came from outside, such as an operating
// system's. With an err that already carries a code the new code wins in
// [CodeOf], while errors.Is still finds the old one. A nil err is allowed and
// makes From the same as [New].
func From(code Code, err error, msg string) *Error {
	return build(code, err, msg)
}

// Wrap adds the context of one layer to err: what it was doing, and the
// caller's file and line. The code stays that of err; an err without one
// becomes [Internal]. Wrap of nil is nil.
func Wrap(err error, msg string) error {
	if err == nil {
		return nil
	}
	return &Error{kind: kindIn(err), msg: msg, pc: callerPC(), cause: err}
}

// Wrapf is [Wrap] with a message formatted as by fmt.Sprintf.
func Wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{kind: kindIn(err), msg: fmt.Sprintf(format, args...), pc: callerPC(), cause: err}
}

// build is the body of New and From; callerPC counts on its being called by
// an exported function directly.
//
//go:noinline
func build(code Code, cause error, msg string) *Error {
	if !code.Known() {
		msg = "unknown code " + strconv.Quote(string(code)) + ": " + msg
	}
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:])
	return &Error{kind: kindOf(code), msg: msg, pc: pcs[0], cause: cause}
}

// callerPC returns where the exported function that calls it was called.
//
//go:noinline
func callerPC() uintptr {
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:])
	return pcs[0]
}

// Public returns a copy of e with a detail that a client may read. It must
// name nothing of the inside: no address, no file, no text of a cause.
func (e *Error) Public(detail string) *Error {
	c := *e
	c.public = detail
	return &c
}

// Code returns the code that e was made or wrapped with.
func (e *Error) Code() Code { return e.kind.code }

// Status returns the HTTP status of e's code.
func (e *Error) Status() int { return e.kind.status }

// Source returns whose fault e is.
func (e *Error) Source() Source { return e.kind.source }

// Retry returns whether the request that failed with e may be sent again.
func (e *Error) Retry() Retry { return e.kind.retry }

// Unwrap returns the error below e, if any.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the [Code] of e.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.kind.code
}

// Error returns the contexts from the outermost in, on one line.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.msg
	}
	return e.msg + ": " + e.cause.Error()
}

// Format prints one line for %v and %s, a quoted line for %q, and for %+v the
// code and the numbered list of contexts.
func (e *Error) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('+'):
		io.WriteString(f, string(e.kind.code))
		for i, c := range e.Contexts() {
			fmt.Fprintf(f, "\n%d: %s", i, c)
		}
	case verb == 'v' || verb == 's':
		io.WriteString(f, e.Error())
	case verb == 'q':
		io.WriteString(f, strconv.Quote(e.Error()))
	default:
		fmt.Fprintf(f, "%%!%c(*errs.Error=%s)", verb, e.Error())
	}
}

// LogValue is what slog writes for an error: code, source and contexts.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("code", string(e.kind.code)),
		slog.String("source", e.kind.source.String()),
		slog.Any("contexts", e.Contexts()),
	)
}

// Context is one line of an error's stack.
type Context struct {
	Message string
	File    string // relative to the module; empty for a foreign error
	Line    int
}

// String returns the message, and where it was added if that is known.
func (c Context) String() string {
	if c.File == "" {
		return c.Message
	}
	return c.Message + ", at " + c.File + ":" + strconv.Itoa(c.Line)
}

// MarshalText lets slog's JSON handler write a context as its line.
func (c Context) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Contexts returns the stack from the outermost context to the cause. An
// error that joins several is one line, since it has no single way down.
func (e *Error) Contexts() []Context {
	var list []Context
	var err error = e
	for err != nil {
		below := errors.Unwrap(err)
		if x, ok := err.(*Error); ok {
			file, line := location(x.pc)
			list = append(list, Context{Message: x.msg, File: file, Line: line})
		} else {
			list = append(list, Context{Message: ownText(err, below)})
		}
		err = below
	}
	return list
}

// ownText returns what err says without what the error below it says, which
// has a line of its own.
func ownText(err, below error) string {
	text := err.Error()
	if below == nil {
		return text
	}
	if own, ok := strings.CutSuffix(text, ": "+below.Error()); ok {
		return own
	}
	return text
}

// location resolves a program counter to a file within the module and a line.
// The package comes from the function's name rather than from the file's
// path: the path names the folder of the machine that built the binary.
func location(pc uintptr) (file string, line int) {
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if f.File == "" {
		return "", 0
	}
	dir, name := path.Split(f.Function)
	pkg, _, _ := strings.Cut(name, ".")
	full := strings.TrimPrefix(dir+pkg, module)
	return full + "/" + path.Base(f.File), f.Line
}

// kindIn returns the row of the outermost code in err, or Internal's.
func kindIn(err error) *kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.kind
	}
	if c, ok := errors.AsType[Code](err); ok {
		return kindOf(c)
	}
	return kinds[Internal]
}

// CodeOf returns the outermost code in err, [Internal] if it has none, and
// the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return kindIn(err).code
}

// SourceOf returns whose fault err is; [SourceNone] for nil.
func SourceOf(err error) Source {
	if err == nil {
		return SourceNone
	}
	return kindIn(err).source
}

// StatusOf returns the HTTP status for err; 200 for nil.
func StatusOf(err error) int {
	if err == nil {
		return 200
	}
	return kindIn(err).status
}

// RetryOf returns whether the request that failed with err may be sent again;
// [RetryNo] for nil.
func RetryOf(err error) Retry {
	if err == nil {
		return RetryNo
	}
	return kindIn(err).retry
}
