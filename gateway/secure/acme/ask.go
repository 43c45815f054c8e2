package acme

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// The reasons for which a name that a client asks for gets no certificate now.
var (
	ErrBusy = errors.New("as many certificates are being got at a time as on_demand.concurrent allows")
	ErrFull = errors.New("as many names are looked after as on_demand.max_names allows")
	// ErrPending says that the first certificate of a name has not come yet.
	ErrPending = errors.New("there is no certificate for it yet")
)

// NotAllowedError says that the service that is asked for permission gave none.
type NotAllowedError struct {
	Name   string
	Answer string
}

// Error tells what the service answered.
func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("%s may have no certificate: the ask URL says %s", e.Name, e.Answer)
}

// asker asks a service whether names may have certificates.
type asker struct {
	url     *url.URL
	timeout time.Duration
	http    *http.Client
	refused refusals
}

func newAsker(spec *OnDemandSpec) (*asker, error) {
	u, err := url.Parse(spec.Ask)
	if err != nil {
		return nil, err
	}
	plain := &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4, MaxConnsPerHost: spec.Concurrent},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect is not a yes
	}
	return &asker{url: u, timeout: spec.Timeout.Std(), http: plain}, nil
}

// permit asks for a name.
func (a *asker) permit(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	u := *a.url
	q := u.Query()
	q.Set("domain", name)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask for permission: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &NotAllowedError{name, resp.Status}
	}
	return nil
}

const (
	// refusedFor is how long a name is not asked about again that had none, and failedFor how long nothing is tried after a failure.
	refusedFor = time.Minute
	failedFor  = 30 * time.Second
	// maxRefusals bounds what is remembered of names that anybody can make up.
	maxRefusals = 4096
)

// refusals remembers names that are not worth trying for a while.
type refusals struct {
	mu  sync.Mutex
	all map[string]refusal
}

type refusal struct {
	err   error
	until time.Time
}

// put remembers why there is no certificate for a name.
func (r *refusals) put(name string, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]refusal{}
	}
	if len(r.all) >= maxRefusals {
		for n, old := range r.all {
			if now.After(old.until) {
				delete(r.all, n)
			}
		}
	}
	for n := range r.all {
		if len(r.all) < maxRefusals {
			break
		}
		delete(r.all, n) // any of them: it will be asked about again
	}
	wait := failedFor
	if errors.As(err, new(*NotAllowedError)) {
		wait = refusedFor
	}
	r.all[name] = refusal{err, now.Add(wait)}
}

// get is why there is no certificate for a name; nil if it may be tried.
func (r *refusals) get(name string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.all[name]
	if !ok || now.After(old.until) {
		return nil
	}
	return old.err
}
