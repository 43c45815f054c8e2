package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/observe/admin"
	"github.com/ringway/ringway/process"
)

const adminToken = "correct horse battery"

// operator is a client of a gateway's admin API.
func (r *rig) operator() *admin.Client { return admin.NewClient(r.g.AdminAddr(), adminToken) }

func withAdmin(text string) string {
	return text + "admin: {address: '127.0.0.1:0', token: '" + adminToken + "'}\n"
}

// TestAdminConfig: read, preview, apply, lose the race, and be refused, as an operator's tools do it.
func TestAdminConfig(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a := named(t, "a")
		base := withAdmin(site(d, 1, "", quoted(a), ""))
		r := startFrom(t, base)
		op, ctx := r.operator(), t.Context()
		c, err := op.Config(ctx)
		if err != nil || c.Text != base || c.Hash != (Source{Text: []byte(base)}).Hash() {
			t.Fatalf("%+v, %v", c, err)
		}
		next := []byte(withAdmin(site(d, 2, "timeouts: {idle: 5s}", quoted(a), "")))
		diff, err := op.Diff(ctx, next)
		if err != nil || diff.Applied || len(diff.Changes) != 2 || diff.Hash != c.Hash || !strings.Contains(diff.Diff, "~ runtime.loops: 1 -> 2\n") {
			t.Errorf("%+v, %v", diff, err)
		}
		done, err := op.Apply(ctx, next, c.Hash)
		if err != nil || !done.Applied || done.Diff != diff.Diff || done.Hash != r.g.Running().Hash {
			t.Errorf("%+v, %v", done, err)
		}
		refused := func(what string, err error, status int, code string) {
			t.Helper()
			var no *admin.Refusal
			if !errors.As(err, &no) || no.Status != status || no.Code != code {
				t.Errorf("%s: %v (%+v), want %d %s", what, err, no, status, code)
			}
		}
		_, err = op.Apply(ctx, []byte(base), c.Hash)
		refused("a configuration that was replaced meanwhile", err, 412, "precondition_failed")
		_, err = op.Apply(ctx, []byte("listeners: {in: {adress: x}}"), "")
		refused("a configuration with faults", err, 422, "invalid_config")
		var no *admin.Refusal
		if errors.As(err, &no) && (len(no.Faults) != 1 || no.Faults[0].Path != "listeners.in.adress" || no.Faults[0].Suggestion != "address") {
			t.Errorf("faults %+v", no.Faults)
		}
		_, err = op.Apply(ctx, []byte(strings.Replace(base, "loops: 1", "loops: 1, heads: 9", 1)), "")
		refused("what needs a restart", err, 409, "restart_needed")
		_, err = op.Apply(ctx, []byte(strings.Replace(base, a, "no-such-host.invalid:1", 1)), "")
		refused("an endpoint without an address", err, 409, "not_applied")
		_, err = op.Reload(ctx, false)
		refused("a reload without a file", err, 409, "no_file")
		refused("a drain that nobody can carry out", op.Drain(ctx), 409, "not_here")
		refused("an upgrade that nobody can carry out", op.Upgrade(ctx), 409, "not_here")
		if now := r.g.Running().Hash; now != done.Hash {
			t.Errorf("%s runs, not %s", now, done.Hash)
		}
	})
}

// startFrom is startWith with the text as what is running.
func startFrom(t *testing.T, text string) *rig {
	t.Helper()
	r := startWith(t, text)
	if _, err := r.g.Reload(context.Background(), Change{Source: Source{"test.yaml", []byte(text)}}); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAdminTells: what the API tells of a gateway that has served a request.
func TestAdminTells(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a := named(t, "a")
		r := startWith(t, withAdmin(site(d, 2, "", quoted(a)+", {address: '127.0.0.1:1', weight: 3}", "")))
		c := r.dial()
		c.get()
		ask := func(path string, into any) string {
			t.Helper()
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.g.AdminAddr()+path, nil)
			req.Header.Set("Authorization", "Bearer "+adminToken)
			req.Close = true
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err == nil {
				err = json.Unmarshal(text, into)
			}
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%s: %s, %v\n%s", path, res.Status, err, text)
			}
			return string(text)
		}
		var status Status
		ask("/v1/status", &status)
		if status.State != "ready" || status.Requests != 1 || status.Connections != 1 || len(status.Loops) != 2 || status.Driver != string(d) || status.Clusters != 1 {
			t.Errorf("%+v", status)
		}
		var version versionStatus
		if ask("/v1/version", &version); version.Version != "test" || version.Kernel == "" {
			t.Errorf("%+v", version)
		}
		var listeners []listenerStatus
		if ask("/v1/listeners", &listeners); len(listeners) != 1 || listeners[0].Bound != r.addr || listeners[0].Requests["2xx"] != 1 || listeners[0].Leaving {
			t.Errorf("%+v", listeners)
		}
		var clusters []clusterStatus
		ask("/v1/clusters", &clusters)
		if len(clusters) != 1 || len(clusters[0].Endpoints) != 2 || clusters[0].Endpoints[0].Requests != 1 || clusters[0].Endpoints[1].Weight != 3 {
			t.Errorf("%+v", clusters)
		}
		var stalls []stallStatus
		ask("/v1/stalls", &stalls)
		var tasks []taskStatus
		ask("/v1/tasks", &tasks)
		var effective map[string]any
		if text := ask("/v1/config/effective", &effective); strings.Contains(text, adminToken) || !strings.Contains(text, config.Hidden) || !strings.Contains(text, `"idle": "1m15s"`) {
			t.Error(text)
		}
		_ = c.Close()
	})
}

// TestWeights: an operator drains an endpoint, gives it a weight and lets the configuration have its way again.
func TestWeights(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b := named(t, "a"), named(t, "b")
		text := func(weight int) string {
			return withAdmin(site(d, 1, "", fmt.Sprintf("'%s', {address: '%s', weight: %d}", a, b, weight), ""))
		}
		r := startFrom(t, text(1))
		c := r.dial()
		op, ctx := r.operator(), t.Context()
		mix := func(n int) string {
			t.Helper()
			got := ""
			for range n {
				got += c.get()
			}
			return fmt.Sprintf("a%d b%d", strings.Count(got, "a"), strings.Count(got, "b"))
		}
		weigh := func(endpoint string, weight *int) {
			t.Helper()
			if err := op.SetWeight(ctx, "out", endpoint, weight); err != nil {
				t.Fatal(err)
			}
		}
		want := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		zero, three := 0, 3
		want(mix(8), "a4 b4")
		weigh(b, &zero)
		eventually(t, "the pool of what is drained is empty", func() bool { return r.upstream().Idle == 1 })
		want(mix(8), "a8 b0")
		r.reload(strings.Replace(text(1), "loops: 1", "loops: 2", 1)) // it holds
		r.reload(text(1))
		want(mix(8), "a8 b0")
		weigh(a, &zero)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 503 ") {
			t.Errorf("with no endpoint left: %q", h)
		}
		_ = c.Close()
		c = r.dial()
		weigh(a, nil)
		weigh(b, &three)
		want(mix(8), "a2 b6")
		r.reload(text(2)) // the configuration has its say
		want(mix(9), "a3 b6")
		var no *admin.Refusal
		bad := 1001
		for what, test := range map[string]struct {
			err    error
			status int
		}{
			"no cluster":  {op.SetWeight(ctx, "other", a, nil), 404},
			"no endpoint": {op.SetWeight(ctx, "out", "127.0.0.1:1", nil), 404},
			"no weight":   {op.SetWeight(ctx, "out", a, &bad), 422},
		} {
			if !errors.As(test.err, &no) || no.Status != test.status {
				t.Errorf("%s: %v", what, test.err)
			}
		}
		_ = c.Close()
	})
}

// TestAdminMoves: the admin server may get another address, another token, and go.
func TestAdminMoves(t *testing.T) {
	a := named(t, "a")
	base := site(Epoll, 1, "", quoted(a), "")
	r := startFrom(t, withAdmin(base))
	first := r.g.AdminAddr()
	done, err := r.operator().Apply(t.Context(), []byte(base+"admin: {address: '127.0.0.1:0', token: 'another long token'}\n"), "")
	if err != nil || strings.Contains(fmt.Sprint(done), "another") || strings.Contains(fmt.Sprint(done), adminToken) {
		t.Fatalf("%+v, %v", done, err)
	}
	if r.g.AdminAddr() != first {
		t.Error("a new token is no new address")
	}
	if _, err := r.operator().Status(t.Context()); err == nil {
		t.Error("the old token is still good")
	}
	socket := t.TempDir() + "/admin.sock"
	if _, err := admin.NewClient(first, "another long token").Apply(t.Context(), []byte(base+"admin: {address: 'unix:"+socket+"'}\n"), ""); err != nil {
		t.Fatal(err) // the answer comes over the server that goes
	}
	if _, err := admin.NewClient("unix:"+socket, "").Config(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the old address is free", func() bool {
		_, err := admin.NewClient(first, "").Status(t.Context())
		var no *admin.Refusal
		return err != nil && !errors.As(err, &no)
	})
	if _, err := admin.NewClient("unix:"+socket, "").Apply(t.Context(), []byte(base), ""); err != nil {
		t.Fatal(err)
	}
	if r.g.AdminAddr() != "" {
		t.Error(r.g.AdminAddr())
	}
}

// TestStatusWithoutDetail: who may not change anything is told that a worker has crashed, and not what it wrote.
func TestStatusWithoutDetail(t *testing.T) {
	spec, err := Load("test", importText(t))
	if err != nil {
		t.Fatal(err)
	}
	crashes := []process.Crash{{Reason: "signal: aborted", Stack: "panic: a secret"}}
	g, err := Start(context.Background(), spec, Options{Log: slog.New(slog.DiscardHandler), Hooks: Hooks{Master: func(context.Context) (MasterStatus, error) {
		return MasterStatus{Phase: "running", Crashes: crashes, LastFailure: "a secret"}, nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Drain(context.Background()) }()
	for _, detail := range []bool{false, true} {
		b, err := json.Marshal(control{g}.Status(detail))
		if err != nil || strings.Count(string(b), "a secret") != map[bool]int{true: 2}[detail] || !strings.Contains(string(b), "signal: aborted") {
			t.Errorf("in detail %v: %v, %s", detail, err, b)
		}
	}
	all := []acme.Status{{Name: "a", Error: "a secret"}}
	s := Status{Certificates: &CertificateStatus{Troubled: all}}
	if s.withoutDetail(); s.Certificates.Troubled[0].Error != "" || s.Certificates.Troubled[0].Name != "a" || all[0].Error == "" {
		t.Errorf("%+v of %+v", s.Certificates.Troubled, all)
	}
}
