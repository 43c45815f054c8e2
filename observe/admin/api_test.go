package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
)

// idle is a Control that has nothing to tell; what it does to requests is tested where there is a gateway.
type idle struct{ panics bool }

func (idle) Version() any              { return 1 }
func (idle) Status(d bool) any         { return map[string]bool{"in_detail": d} }
func (idle) Listeners() any            { return 1 }
func (idle) Clusters() any             { return 1 }
func (i idle) Certificates(d bool) any { return i.Status(d) }
func (i idle) Stalls(d bool) any       { return i.Status(d) }
func (idle) Tasks() any                { return func() {} } // which JSON has no form for
func (idle) Config() Config            { return Config{Hash: "h", Text: "listeners: {}"} }
func (i idle) Effective() any {
	if i.panics {
		panic("on purpose")
	}
	return 1
}
func (idle) Diff(context.Context, []byte) (Result, error)          { return Result{}, nil }
func (idle) Apply(context.Context, []byte, string) (Result, error) { return Result{}, nil }
func (idle) Reload(context.Context, bool, string) (Result, error) {
	return Result{}, RefuseConfig(config.Errors{{File: "f", Line: 1, Column: 2, Path: "p", Problem: "x", Suggestion: "y"}})
}
func (idle) SetWeight(context.Context, string, string, *int) error { return nil }
func (idle) Upgrade(context.Context) error {
	return Refuse(http.StatusConflict, "under_way", "an upgrade is under way already")
}
func (idle) Drain(context.Context) error { return nil }

// TestOpenAPI: the document tells of every operation and of no other, and the client's paths are among them.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Security    []map[string][]string
			Responses   map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var told, served []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			told = append(told, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" || op.Summary == "" || len(op.Security) == 0 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
		}
	}
	for _, op := range operations(idle{}) {
		served = append(served, op.method+" "+op.path)
		told := doc.Paths[op.path][strings.ToLower(op.method)]
		anybody := slices.ContainsFunc(told.Security, func(s map[string][]string) bool { return len(s) == 0 })
		if anybody != (op.need != changing) {
			t.Errorf("%s %s: who may use it is told wrong", op.method, op.path)
		}
		if _, ok := told.Responses["401"]; ok != (op.need != nothing) {
			t.Errorf("%s %s: 401 is told: %v", op.method, op.path, ok)
		}
	}
	slices.Sort(told)
	slices.Sort(served)
	if !slices.Equal(told, served) {
		t.Errorf("told\n%s\nserved\n%s", strings.Join(told, "\n"), strings.Join(served, "\n"))
	}
}

const testToken = "0123456789abcdef"

func TestAccess(t *testing.T) {
	open := start(t, Options{Control: idle{}})
	locked := start(t, Options{Control: idle{}, Access: Access{Token: testToken}})
	for _, test := range []struct {
		url, method, path, auth string
		status                  int
	}{
		{open, "GET", "/v1/status", "", 200},
		{open, "GET", "/v1/openapi.json", "", 200},
		{open, "GET", "/debug/pprof/cmdline", "", 200},
		{open, "GET", "/v1/config", "", 403},
		{open, "GET", "/v1/config/effective", "", 403},
		{open, "PUT", "/v1/config", "", 403},
		{open, "POST", "/v1/drain", "Bearer ", 403},
		{open, "POST", "/v1/upgrade", "", 403},
		{locked, "POST", "/v1/upgrade", "", 401},
		{locked, "POST", "/v1/upgrade", "Bearer " + testToken, 409},
		{locked, "GET", "/v1/upgrade", "Bearer " + testToken, 405},
		{locked, "GET", "/healthz", "", 200},
		{locked, "GET", "/v1/openapi.json", "", 200},
		{locked, "GET", "/v1/status", "", 401},
		{locked, "GET", "/debug/pprof/cmdline", "", 401},
		{locked, "GET", "/v1/status", "Bearer wrong", 401},
		{locked, "GET", "/v1/status", testToken, 401},
		{locked, "GET", "/v1/status", "Bearer " + testToken, 200},
		{locked, "GET", "/v1/config", "Bearer " + testToken, 200},
		{locked, "POST", "/v1/drain", "Bearer " + testToken, 202},
		{locked, "POST", "/v1/drain", "Bearer " + testToken + "x", 401},
	} {
		req, err := http.NewRequest(test.method, test.url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.auth != "" {
			req.Header.Set("Authorization", test.auth)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("%s %s with %q: %s %s", test.method, test.path, test.auth, res.Status, body)
		}
		if (res.StatusCode == 401) != (res.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate: %q", test.path, res.Header.Get("WWW-Authenticate"))
		}
		if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", test.path, res.Header.Get("Content-Type"))
		}
	}
}

// TestDetail: who could not change anything is not told in detail.
func TestDetail(t *testing.T) {
	open := start(t, Options{Control: idle{}})
	locked := start(t, Options{Control: idle{}, Access: Access{Token: testToken}})
	for _, path := range []string{"/v1/status", "/v1/certificates", "/v1/stalls"} {
		for _, c := range []struct{ url, auth, want string }{
			{open, "", "false"}, {open, "Bearer " + testToken, "false"}, {locked, "Bearer " + testToken, "true"},
		} {
			req, err := http.NewRequest("GET", c.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", c.auth)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if !strings.Contains(string(body), `"in_detail": `+c.want) {
				t.Errorf("%s with %q: %s", path, c.auth, body)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "s")
	s, err := Start(Options{Address: "unix:" + path, Control: idle{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://admin/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if !strings.Contains(string(body), `"in_detail": true`) {
		t.Errorf("over a Unix socket: %s", body)
	}
}

// TestPeers: on a Unix socket the kernel says who connects. That of another user is only played by the table; the socket knows
// ours.
func TestPeers(t *testing.T) {
	for _, test := range []struct {
		p    peer
		want bool
	}{
		{peer{unix: true, uid: 0}, true},
		{peer{unix: true, uid: uint32(os.Geteuid())}, true},
		{peer{unix: true, uid: 4711}, true},
		{peer{unix: true, uid: 4712}, false},
		{peer{unix: true, uid: 0, err: os.ErrInvalid}, false},
	} {
		r, _ := http.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, test.p), "GET", "/", nil)
		a := Access{Token: testToken, Users: []uint32{4711}}
		if no := a.permit(r, changing); (no == nil) != test.want || no != nil && no.Status != 403 {
			t.Errorf("%+v: %v", test.p, no)
		}
	}
	path := filepath.Join(t.TempDir(), "admin.sock")
	s, err := Start(Options{Address: "unix:" + path, Control: idle{}, Access: Access{Token: testToken, Users: []uint32{4711}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != usersMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	c, err := NewClient("unix:"+path, "").Config(t.Context())
	if err != nil || c.Hash != "h" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestBadRequests: what cannot be meant is refused before anything is asked of the gateway.
func TestBadRequests(t *testing.T) {
	url := start(t, Options{Control: idle{panics: true}, Access: Access{Token: testToken}})
	endpoint := "/v1/clusters/c/endpoints/127.0.0.1:1"
	for _, test := range []struct {
		method, path, ifMatch, body string
		status                      int
		want                        string
	}{
		{"PUT", "/v1/config", "", "x", 428, "If-Match"},
		{"PUT", "/v1/config", "h", "x", 400, "double quotes"},
		{"PUT", "/v1/config", `"a", "b"`, "x", 400, "double quotes"},
		{"PUT", "/v1/config", `""`, "x", 400, "double quotes"},
		{"PUT", "/v1/config", `"h"`, "x", 200, ""},
		{"PUT", "/v1/config", "*", "x", 200, ""},
		{"PUT", "/v1/config", "*", strings.Repeat("x", maxBody+1), 413, "at most"},
		{"POST", "/v1/reload?preview=maybe", "", "", 400, "preview"},
		{"POST", "/v1/reload", "", "", 422, `"faults":[{"file":"f","line":1,"column":2,"path":"p","problem":"x","suggestion":"y"}]`},
		{"PATCH", endpoint, "", "{", 422, "weight"},
		{"PATCH", endpoint, "", "{}", 422, "either"},
		{"PATCH", endpoint, "", `{"weight": "1"}`, 422, "whole number"},
		{"PATCH", endpoint, "", `{"weight": 1, "drain": true}`, 422, "either"},
		{"PATCH", endpoint, "", `{"wait": 1}`, 422, "wait"},
		{"PATCH", endpoint, "", `{"weight": null}`, 200, ""},
		{"PATCH", endpoint, "", `{"drain": true}`, 200, ""},
		{"DELETE", "/v1/config", "", "", 405, ""},
		{"GET", "/v1/reload", "", "", 405, ""},
		{"GET", "/v1/nothing", "", "", 404, ""},
		{"GET", "/v1/config/effective", "", "", 500, ""}, // it panics
		{"GET", "/v1/tasks", "", "", 500, "unsupported type"},
	} {
		req, err := http.NewRequest(test.method, url+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		if test.ifMatch != "" {
			req.Header.Set("If-Match", test.ifMatch)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != test.status || !strings.Contains(string(body), test.want) {
			t.Errorf("%s %s: %s %s, want %d and %q", test.method, test.path, res.Status, body, test.status, test.want)
		}
		if test.status == 405 && res.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", test.method, test.path)
		}
		var p struct{ Status int }
		if test.status >= 400 && (json.Unmarshal(body, &p) != nil || p.Status != test.status) {
			t.Errorf("%s %s: no problem document: %s", test.method, test.path, body)
		}
	}
}

// TestClientTellsRefusals: what the gateway says is what the client's error says.
func TestClientTellsRefusals(t *testing.T) {
	address := strings.TrimPrefix(start(t, Options{Control: idle{}, Access: Access{Token: testToken}}), "http://")
	_, err := NewClient(address, "").Status(t.Context())
	if r, ok := err.(*Refusal); !ok || r.Status != 401 || r.Code != "unauthorized" || !strings.Contains(r.Detail, "admin token") {
		t.Errorf("%#v", err)
	}
	_, err = NewClient(address, testToken).Reload(t.Context(), false)
	if r, ok := err.(*Refusal); !ok || r.Status != 422 || len(r.Faults) != 1 || fmt.Sprint(r.Faults[0]) != "{f 1 2 p x y}" {
		t.Errorf("%#v", err)
	}
	if _, err = NewClient("127.0.0.1:1", "").Status(t.Context()); err == nil || strings.Contains(err.Error(), "http://") {
		t.Errorf("nobody listens: %v", err)
	}
}
