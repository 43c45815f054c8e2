package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/ringway/ringway/errs"
)

// route is one thing that is served.
type route struct {
	path    string // as for http.ServeMux: a final slash takes what is below
	about   string // shown by the list at /
	methods []string
	need    need
	handler http.Handler
}

// safe are the methods of everything that changes nothing.
var safe = []string{http.MethodGet, http.MethodHead}

// routes lists what o serves, in the order shown at /.
func routes(o Options) []route {
	list := []route{
		{"/healthz", "200 while the process works, 503 with the reason otherwise", safe, nothing, check(o.Live)},
		{"/readyz", "200 while traffic is welcome, 503 with the reason otherwise", safe, nothing, check(o.Ready)},
		{"/debug/pprof/", "profiles of this process, for go tool pprof", safe, reading, http.HandlerFunc(pprof.Index)},
		{"/debug/pprof/cmdline", "the command line", safe, reading, http.HandlerFunc(pprof.Cmdline)},
		{"/debug/pprof/profile", "a CPU profile; ?seconds=N", safe, reading, http.HandlerFunc(pprof.Profile)},
		{"/debug/pprof/symbol", "names of program counters", append([]string{http.MethodPost}, safe...), reading, http.HandlerFunc(pprof.Symbol)},
		{"/debug/pprof/trace", "an execution trace; ?seconds=N", safe, reading, http.HandlerFunc(pprof.Trace)},
	}
	if o.Metrics != nil {
		list = slices.Insert(list, 0, route{"/metrics", "counters, for Prometheus", safe, nothing, o.Metrics})
	}
	return list
}

// newHandler returns the handler of all routes. access says who may use them, at each request anew.
func newHandler(o Options, access func() *Access) http.Handler {
	list := routes(o)
	mux := http.NewServeMux()
	for _, r := range list {
		mux.Handle(r.path, allow(r.methods, permitted(access, r.need, r.handler)))
	}
	if o.Control != nil {
		methods := map[string][]string{}
		for _, op := range operations(o.Control) {
			mux.Handle(op.method+" "+op.path, permitted(access, op.need, op))
			methods[op.path] = append(methods[op.path], op.method)
			list = append(list, route{path: op.path, about: op.method + ": " + op.about})
		}
		for path, m := range methods { // whatever the table has no entry for
			mux.Handle(path, allow(m, http.NotFoundHandler()))
		}
	}
	mux.Handle("/{$}", allow(safe, index(list)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, errs.New(errs.NoRoute, "admin: no such path").Public("See / for what is served."))
	})
	return guard(mux, o.Log)
}

// permitted lets in who may use what needs n.
func permitted(access func() *Access, n need, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := access()
		if no := a.permit(r, n); no != nil {
			refuse(w, no)
			return
		}
		if n == reading && a.permit(r, changing) == nil {
			r = r.WithContext(context.WithValue(r.Context(), trustedKey{}, true))
		}
		h.ServeHTTP(w, r)
	})
}

// guard turns a panic of a handler into a problem, logged with its stack.
func guard(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				log.Error("admin handler panicked", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				problem(w, errs.New(errs.Internal, "admin: panic"))
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// allow refuses methods that are not listed.
func allow(methods []string, h http.Handler) http.Handler {
	allowed := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", allowed)
			problem(w, errs.New(errs.MethodNotAllowed, "admin: method"))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// index lists the routes.
func index(list []route) http.Handler {
	var b strings.Builder
	b.WriteString("Ringway admin\n\n")
	for _, r := range list {
		fmt.Fprintf(&b, "%-48s %s\n", r.path, r.about)
	}
	text := b.String()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { plain(w, text) })
}

// check answers whether state finds nothing wrong. Here the reason is shown
// in full: who can ask can also read profiles. The status is 503 whatever
// code the reason has, as probes expect.
func check(state func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if state != nil {
			err = state()
		}
		if err == nil {
			plain(w, "ok\n")
			return
		}
		code := errs.CodeOf(err)
		if code.Status() != http.StatusServiceUnavailable {
			code = errs.Unavailable
		}
		problem(w, errs.From(code, err, "admin: check").Public(err.Error()))
	})
}

// plain writes a text that must not be kept by caches.
func plain(w http.ResponseWriter, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write([]byte(text)) // a client that is gone needs no answer
}

// problem writes err as a problem document.
func problem(w http.ResponseWriter, err error) {
	h := w.Header()
	h.Set("Content-Type", errs.ProblemType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(errs.StatusOf(err))
	w.Write(append(errs.AppendProblem(nil, err, ""), '\n'))
}
