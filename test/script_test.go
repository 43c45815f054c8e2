package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

// TestScripts runs testdata/*.txtar on both drivers. Beside testscript's own commands there are:
//
//	expand FILE              replaces $WEB, $ADMIN, $ORIGIN… in a file by the environment
//	ready                    waits until the gateway with the admin address $ADMIN is ready
//	serves [TEXT]            waits until something answers at $WEB, and has TEXT in it
//	replace OLD NEW FILE     replaces a text in a file
//	http METHOD URL [-H 'Name: value'] [-d BODY]   prints status line, fields in order, empty line and body
//	signal NAME              sends a signal to the programs in the background
//	eventually FILE TEXT     waits until a file holds a text
//	schema SCHEMA FILE       checks a YAML file against a JSON Schema
//
// $WEB, $WEB2 and $ADMIN are free addresses; $ORIGIN answers with what it saw; $REFUSING refuses.
func TestScripts(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin, refuses := newMirror(t).addr, refusing(t)
		testscript.Run(t, testscript.Params{
			Dir: "testdata",
			Setup: func(e *testscript.Env) error {
				for _, name := range []string{"WEB", "WEB2", "ADMIN"} {
					addr, err := freeAddr()
					if err != nil {
						return err
					}
					e.Setenv(name, addr)
				}
				e.Setenv("RINGWAY_DRIVER", driver)
				e.Setenv("XDG_RUNTIME_DIR", e.WorkDir) // for the control socket
				e.Vars = append(e.Vars, quickExit)
				e.Setenv("ORIGIN", origin)
				e.Setenv("REFUSING", refuses)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"expand": scriptExpand, "ready": scriptReady, "serves": scriptServes, "http": scriptHTTP, "signal": scriptSignal,
				"eventually": scriptEventually, "schema": scriptSchema, "replace": scriptReplace,
			},
		})
	})
}

func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func scriptWait(ts *testscript.TestScript, f func() error) {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	ts.Fatalf("not within %v: %v", patience, err)
}

func scriptReady(ts *testscript.TestScript, _ bool, _ []string) {
	scriptAnswers(ts, "http://"+ts.Getenv("ADMIN")+"/readyz")
}

func scriptServes(ts *testscript.TestScript, _ bool, args []string) {
	scriptAnswers(ts, "http://"+ts.Getenv("WEB")+"/", args...)
}

func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(ts.ReadFile(args[2]), args[0], args[1])), 0o600))
}

func scriptAnswers(ts *testscript.TestScript, url string, texts ...string) {
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a connection that stayed would hold a drain up
	scriptWait(ts, func() error {
		res, err := once.Get(url)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			return errors.New(res.Status)
		}
		body, err := io.ReadAll(res.Body)
		for _, text := range texts {
			if !strings.Contains(string(body), text) {
				return fmt.Errorf("%q is not in %q", text, body)
			}
		}
		return err
	})
}

func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: eventually FILE TEXT")
	}
	scriptWait(ts, func() error {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !strings.Contains(string(data), args[1]) {
			err = fmt.Errorf("%q is not in %s:\n%s", args[1], args[0], data)
		}
		return err
	})
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "USR1": syscall.SIGUSR1, "HUP": syscall.SIGHUP}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|INT|USR1|HUP")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signals[args[0]]))
	}
}

// scriptHTTP fails, as ! http expects it to, when there is no response.
func scriptHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: http METHOD URL [-H 'Name: value'] [-d BODY]")
	}
	var body io.Reader
	fields := http.Header{}
	for i := 2; i+1 < len(args); i += 2 {
		if args[i] == "-d" {
			body = strings.NewReader(args[i+1])
			continue
		}
		name, value, _ := strings.Cut(args[i+1], ": ")
		fields.Add(name, value)
	}
	req, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	req.Header, req.Close = fields, true
	if h := fields.Get("Host"); h != "" {
		req.Host = h
		fields.Del("Host")
	}
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		if !neg {
			ts.Fatalf("%v", err)
		}
		return
	}
	defer res.Body.Close()
	if neg {
		ts.Fatalf("%s, and no failure", res.Status)
	}
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	var lines []string
	for name, values := range res.Header {
		for _, v := range values {
			lines = append(lines, name+": "+v+"\n")
		}
	}
	slices.Sort(lines)
	fmt.Fprintf(ts.Stdout(), "%s %s\n%s\n%s", res.Proto, res.Status, strings.Join(lines, ""), text)
}

func scriptSchema(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: schema SCHEMA FILE")
	}
	var schema jsonschema.Schema
	ts.Check(schema.UnmarshalJSON([]byte(ts.ReadFile(args[0]))))
	resolved, err := schema.Resolve(nil)
	ts.Check(err)
	var value map[string]any
	ts.Check(yaml.Unmarshal([]byte(ts.ReadFile(args[1])), &value))
	if err := resolved.Validate(value); (err != nil) != neg {
		ts.Fatalf("%s: %v", args[1], err)
	}
}
