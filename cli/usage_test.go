package cli

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // what stderr names
	}{
		{"bogus", `unknown command "bogus"`},
		{"chekc", `did you mean "check"?`},
		{"--bogus", "unknown flag: --bogus"},
		{"run", "-c"},
		{"run extra", `"extra"`},
		{"run --bogus", "unknown flag: --bogus"},
		{"run --listen :8080", "--to"},
		{"run --to 127.0.0.1:1", "--listen"},
		{"run -c x.yaml --to 127.0.0.1:1", "not both"},
		{"run -c x.yaml --protocol tcp", "not both"},
		{"run --protocol tcp", "--listen"},
		{"run --listen :8080 --to 127.0.0.1:1 --protocol udp", "one of http, tcp"},
		{"run --config", "flag needs an argument"},
		{"check", "which file?"},
		{"check a b", "at most 1"},
		{"schema x", `"x"`},
		{"version x", `"x"`},
		{"demo x", `"x"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := invoke(strings.Fields(c.args)...)
			if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "ringway: ") || !strings.Contains(stderr, c.want) ||
				!strings.HasSuffix(stderr, "Run 'ringway --help' for usage.\n") {
				t.Errorf("status %d, stdout %q, stderr %q; want 2 and %q on stderr", status, stdout, stderr, c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"help"}} {
		status, stdout, stderr := invoke(args...)
		if status != 0 || stderr != "" {
			t.Errorf("%q: status %d, stderr %q", args, status, stderr)
		}
		for _, name := range []string{"run", "check", "schema", "version", "demo", "ping"} {
			if !regexp.MustCompile(`(?m)^  ` + name + ` +[A-Z]`).MatchString(stdout) {
				t.Errorf("%q: the help does not list %s:\n%s", args, name, stdout)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		status int
		stdout string // FILE stands for the file's name
		stderr string
	}{
		"good": {
			text: "listeners:\n  web: {address: \":8080\", routes: [{cluster: site}]}\n" +
				"clusters:\n  site: {endpoints: [\"127.0.0.1:3000\"]}\n  spare: {endpoints: [\"unix:/run/spare\"]}\n",
			stdout: "FILE: ok, 1 listeners, 2 clusters\n",
		},
		"all that is wrong, in the order of the file": {
			text: `listeners:
  web:
    address: 127.0.0.1:8080
    routes:
      - path: /api/*
        clutser: site
      - cluster: sit
clusters:
  site: {endpoints: ["127.0.0.1:3000", {address: "127.0.0.1:3001", weight: 0}]}
`,
			status: 2,
			stderr: `FILE:6:9: listeners.web.routes[0].clutser: unknown key; did you mean "cluster"?
FILE:7:18: listeners.web.routes[1].cluster: unknown cluster "sit"; did you mean "site"?
FILE:9:76: clusters.site.endpoints[1].weight: a weight is 1 to 1000, not 0
`,
		},
		"no YAML": {
			text:   "listeners: [\n",
			status: 2,
			stderr: "FILE:1:12: expected a value here\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "gateway.yaml", c.text)
			for _, args := range [][]string{{"check", file}, {"check", "-c", file}, {"check", "--config=" + file}} {
				status, stdout, stderr := invoke(args...)
				stdout, stderr = strings.ReplaceAll(stdout, file, "FILE"), strings.ReplaceAll(stderr, file, "FILE")
				if status != c.status || stdout != c.stdout || stderr != c.stderr {
					t.Errorf("%s\nstatus %d, stdout:\n%sstderr:\n%swant status %d, stdout:\n%sstderr:\n%s",
						args, status, stdout, stderr, c.status, c.stdout, c.stderr)
				}
			}
		})
	}
}

// A file that is not there is no fault of the command line.
func TestMissingFile(t *testing.T) {
	for _, args := range [][]string{{"check", "missing.yaml"}, {"run", "-c", "missing.yaml"}} {
		status, _, stderr := invoke(args...)
		if want := "ringway: open missing.yaml: no such file or directory\n"; status != 1 || stderr != want {
			t.Errorf("%q: status %d, stderr %q", args, status, stderr)
		}
	}
}

// What check refuses, run refuses in the same words, and before anything is opened.
func TestRunChecksFirst(t *testing.T) {
	file := write(t, "gateway.yaml", "listeners: {web: {address: nowhere, routes: [{cluster: x}]}}\n")
	_, _, checked := invoke("check", file)
	status, stdout, stderr := invoke("run", "-c", file)
	if status != 2 || stdout != "" || stderr != checked || !strings.Contains(stderr, "listeners.web.address") {
		t.Errorf("status %d, stdout %q, stderr %q; check says %q", status, stdout, stderr, checked)
	}
	status, _, stderr = invoke("run", "--listen", "nowhere", "--to", "127.0.0.1:1")
	if status != 2 || !strings.HasPrefix(stderr, "command line:") {
		t.Errorf("--listen nowhere: status %d, stderr %q", status, stderr)
	}
}

func TestSchema(t *testing.T) {
	status, stdout, stderr := invoke("schema")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	var s struct {
		Schema     string `json:"$schema"`
		Required   []string
		Properties map[string]any
	}
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Schema, "json-schema.org") || len(s.Required) != 1 || s.Required[0] != "listeners" {
		t.Errorf("schema of %s, required %q", s.Schema, s.Required)
	}
	for _, key := range []string{"listeners", "clusters", "admin", "runtime", "access_log", "log"} {
		if s.Properties[key] == nil {
			t.Errorf("the schema does not know %s", key)
		}
	}
}

func TestVersion(t *testing.T) {
	defer func(v string) { version = v }(version)
	version = "v1.2.3-test"
	status, stdout, stderr := invoke("version")
	want := regexp.MustCompile(`^ringway v1\.2\.3-test\ngo      go1\.\S+ linux/\w+\nkernel  \d+\.\d+\S*\ndriver  (uring|epoll)\n$`)
	if status != 0 || stderr != "" || !want.MatchString(stdout) {
		t.Errorf("status %d, stderr %q, stdout:\n%s", status, stderr, stdout)
	}
	if version = ""; buildVersion() == "" {
		t.Error("a build without the linker's flag has no version at all")
	}
}
