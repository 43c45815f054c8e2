package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ringway/ringway/errs"
)

// openAPI describes the API for programs; a test holds it to the table below.
//
//go:embed openapi.json
var openAPI []byte

// maxBody bounds what is read of a request: as much as a configuration may have.
const maxBody = 16 << 20

// changeTimeout is how long an operation that changes something may take. Changes wait for each other; an upgrade waits for a whole
// new process.
const changeTimeout = 2 * time.Minute

// operation is one method of one path of the API.
type operation struct {
	method string
	path   string // as for http.ServeMux
	need   need
	about  string
	do     func(r *http.Request) (answer, error)
}

// answer is what an operation gives.
type answer struct {
	status int // 0: 200
	value  any // for encoding/json
	etag   string
	text   []byte // in place of value
	media  string // of text
}

func tell(f func() any) func(*http.Request) (answer, error) {
	return func(*http.Request) (answer, error) { return answer{value: f()}, nil }
}

// trustedKey is where a request's context has that who asks might change things, too.
type trustedKey struct{}

// tellWhom has it told in detail to those alone who might change things.
func tellWhom(f func(inDetail bool) any) func(*http.Request) (answer, error) {
	return func(r *http.Request) (answer, error) {
		trusted, _ := r.Context().Value(trustedKey{}).(bool)
		return answer{value: f(trusted)}, nil
	}
}

// operations lists the API.
func operations(c Control) []operation {
	a := api{c}
	return []operation{
		{"GET", "/v1/openapi.json", nothing, "this API, for programs", openapi},
		{"GET", "/v1/version", reading, "which build runs, on which kernel and driver", tell(c.Version)},
		{"GET", "/v1/status", reading, "how the gateway is", tellWhom(c.Status)},
		{"GET", "/v1/listeners", reading, "listeners and their counters", tell(c.Listeners)},
		{"GET", "/v1/clusters", reading, "clusters, their endpoints and counters", tell(c.Clusters)},
		{"GET", "/v1/certificates", reading, "names that certificates are got for, and how each is", tellWhom(c.Certificates)},
		{"GET", "/v1/stalls", reading, "what has held loops for too long", tellWhom(c.Stalls)},
		{"GET", "/v1/tasks", reading, "what the loops' tasks are doing", tell(c.Tasks)},
		{"GET", "/v1/config", changing, "the configuration that runs, as it was given", a.config},
		{"GET", "/v1/config/effective", changing, "the same with its defaults, without its secrets", tell(c.Effective)},
		{"POST", "/v1/config/diff", changing, "how a configuration differs from the one that runs", a.diff},
		{"PUT", "/v1/config", changing, "go over to a configuration, with If-Match", a.apply},
		{"POST", "/v1/reload", changing, "read the file again and go over to it; ?preview=true only tells", a.reload},
		{"PATCH", "/v1/clusters/{cluster}/endpoints/{endpoint}", changing, "give an endpoint a weight, or drain it", a.weight},
		{"POST", "/v1/upgrade", changing, "go over to the program that is on disk now", a.upgrade},
		{"POST", "/v1/drain", changing, "end when everything in flight has finished", a.drain},
	}
}

// api is the operations that take something.
type api struct{ Control }

func openapi(*http.Request) (answer, error) {
	return answer{text: openAPI, media: "application/json"}, nil
}

// config gives the running configuration: in JSON, or the bare text to who accepts only that.
func (a api) config(r *http.Request) (answer, error) {
	c := a.Config()
	if accept, _, _ := mime.ParseMediaType(r.Header.Get("Accept")); accept == "application/yaml" {
		return answer{text: []byte(c.Text), media: "application/yaml", etag: c.Hash}, nil
	}
	return answer{value: c, etag: c.Hash}, nil
}

func (a api) diff(r *http.Request) (answer, error) {
	text, err := body(r)
	if err != nil {
		return answer{}, err
	}
	result, err := a.Diff(r.Context(), text)
	return answer{value: result, etag: result.Hash}, err
}

func (a api) apply(r *http.Request) (answer, error) {
	hash, given, err := ifMatch(r)
	if err != nil {
		return answer{}, err
	}
	if !given {
		return answer{}, Refuse(http.StatusPreconditionRequired, "precondition_required",
			"say which configuration this one replaces: If-Match with the ETag of GET /v1/config, or * for whichever runs")
	}
	text, err := body(r)
	if err != nil {
		return answer{}, err
	}
	result, err := a.Apply(context.WithoutCancel(r.Context()), text, hash) // a client that leaves does not stop it in the middle
	return answer{value: result, etag: result.Hash}, err
}

func (a api) reload(r *http.Request) (answer, error) {
	hash, _, err := ifMatch(r)
	if err != nil {
		return answer{}, err
	}
	preview := false
	if q := r.URL.Query().Get("preview"); q != "" {
		if preview, err = strconv.ParseBool(q); err != nil {
			return answer{}, Refuse(http.StatusBadRequest, "bad_request", "preview is true or false")
		}
	}
	result, err := a.Reload(context.WithoutCancel(r.Context()), preview, hash)
	return answer{value: result, etag: result.Hash}, err
}

// weight takes {"weight": 5}, {"weight": null} for the configuration's own, or {"drain": true}.
func (a api) weight(r *http.Request) (answer, error) {
	text, err := body(r)
	if err != nil {
		return answer{}, err
	}
	var want struct {
		Weight json.RawMessage
		Drain  bool
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&want); err != nil {
		return answer{}, Refuse(http.StatusUnprocessableEntity, "bad_request", "not {\"weight\": N}, {\"weight\": null} or {\"drain\": true}: %v", err)
	}
	var weight *int
	if want.Drain {
		weight = new(int)
	}
	switch {
	case want.Drain && want.Weight != nil, !want.Drain && want.Weight == nil:
		return answer{}, Refuse(http.StatusUnprocessableEntity, "bad_request", "give either a weight or drain: true")
	case want.Weight != nil:
		if err := json.Unmarshal(want.Weight, &weight); err != nil {
			return answer{}, Refuse(http.StatusUnprocessableEntity, "bad_request", "a weight is a whole number, or null")
		}
	}
	if err := a.SetWeight(r.Context(), r.PathValue("cluster"), r.PathValue("endpoint"), weight); err != nil {
		return answer{}, err
	}
	return answer{value: a.Clusters()}, nil
}

// upgrade answers when the new program serves; a client that leaves does not stop it.
func (a api) upgrade(r *http.Request) (answer, error) {
	return answer{value: map[string]string{"state": "upgraded"}}, a.Upgrade(context.WithoutCancel(r.Context()))
}

func (a api) drain(r *http.Request) (answer, error) {
	return answer{status: http.StatusAccepted, value: map[string]string{"state": "draining"}}, a.Drain(r.Context())
}

// body reads a request's whole body.
func body(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, Refuse(http.StatusRequestEntityTooLarge, "payload_too_large", "at most %d bytes are read", large.Limit)
	}
	if err != nil {
		return nil, Refuse(http.StatusBadRequest, "bad_request", "the body could not be read: %v", err)
	}
	return text, nil
}

// ifMatch is the configuration that a request expects, empty for any.
func ifMatch(r *http.Request) (hash string, given bool, err error) {
	tag := r.Header.Get("If-Match")
	switch {
	case tag == "" || tag == "*":
		return "", tag != "", nil
	case len(tag) < 3 || tag[0] != '"' || strings.IndexByte(tag[1:], '"') != len(tag)-2:
		return "", false, Refuse(http.StatusBadRequest, "bad_request", "If-Match is one ETag in double quotes, or *")
	}
	return tag[1 : len(tag)-1], true, nil
}

// ServeHTTP answers with what the operation gives.
func (o operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if o.need == changing {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(changeTimeout)) // a server that has none needs none
	}
	a, err := o.do(r)
	if err != nil {
		refuse(w, err)
		return
	}
	if a.text == nil {
		a.media = "application/json"
		if a.text, err = json.MarshalIndent(a.value, "", "  "); err != nil {
			refuse(w, fmt.Errorf("admin: %s: %w", o.path, err))
			return
		}
		a.text = append(a.text, '\n')
	}
	h := w.Header()
	if a.etag != "" {
		h.Set("ETag", strconv.Quote(a.etag))
	}
	h.Set("Content-Type", a.media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(max(a.status, http.StatusOK))
	w.Write(a.text) // a client that is gone needs no answer
}

// refuse writes a Refusal as a problem document (RFC 9457); its faults are an extension member. Other errors are ours: who can
// use the API may read them.
func refuse(w http.ResponseWriter, err error) {
	var r *Refusal
	if !errors.As(err, &r) {
		r = Refuse(http.StatusInternalServerError, string(errs.Internal), "%v", err)
	}
	p := errs.Problem{Title: http.StatusText(r.Status), Status: r.Status, Detail: r.Detail, Code: r.Code}.Append(nil)
	if len(r.Faults) > 0 {
		if faults, err := json.Marshal(r.Faults); err == nil {
			p = append(append(append(p[:len(p)-1], `,"faults":`...), faults...), '}')
		}
	}
	h := w.Header()
	h.Set("Content-Type", errs.ProblemType)
	h.Set("Cache-Control", "no-store")
	if r.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="ringway admin"`)
	}
	w.WriteHeader(r.Status)
	w.Write(append(p, '\n'))
}
