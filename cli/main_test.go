package cli

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVariable makes the test program be the command line, so that signals and exit statuses are real.
const childVariable = "RINGWAY_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// invoke runs the command line in this process.
func invoke(args ...string) (status int, stdout, stderr string) {
	var o, e bytes.Buffer
	status = Main(args, &o, &e)
	return status, o.String(), e.String()
}

// write makes a file of that text.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// patience bounds every wait for a child.
const patience = 20 * time.Second

// child is the command line running beside the test.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  chan string // lines of both outputs
	rest []string    // what awaitLine passed over
}

// start runs the command line as a child, which ends with the test.
func start(t *testing.T, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, args...), out: make(chan string, 1024)}
	c.cmd.Env = append(os.Environ(), childVariable+"=1", "XDG_RUNTIME_DIR="+t.TempDir())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = w, w
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // the child's now
	go func() {
		defer close(c.out)
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			c.out <- s.Text()
		}
	}()
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	return c
}

// awaitLine reads the child's output until a line matches, and returns its submatches.
func (c *child) awaitLine(pattern string) []string {
	c.t.Helper()
	return c.awaitLines(pattern)[0]
}

// awaitLines is awaitLine for several, which may come in any order: a master and its worker write to the same place.
func (c *child) awaitLines(patterns ...string) [][]string {
	c.t.Helper()
	found, left := make([][]string, len(patterns)), len(patterns)
	limit := time.After(patience)
	for left > 0 {
		select {
		case line, ok := <-c.out:
			if !ok {
				c.t.Fatalf("the child ended without lines like %q:\n%s", patterns, strings.Join(c.rest, "\n"))
			}
			c.rest = append(c.rest, line)
			for i, pattern := range patterns {
				if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil && found[i] == nil {
					found[i] = m
					left--
				}
			}
		case <-limit:
			c.t.Fatalf("no lines like %q in %v:\n%s", patterns, patience, strings.Join(c.rest, "\n"))
		}
	}
	return found
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// awaitEnd waits for the child and returns its exit status and all that it printed.
func (c *child) awaitEnd() (status int, output string) {
	c.t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = c.cmd.Process.Signal(syscall.SIGQUIT) })
	defer stuck.Stop()
	for line := range c.out {
		c.rest = append(c.rest, line)
	}
	_ = c.cmd.Wait() // the status says it
	return c.cmd.ProcessState.ExitCode(), strings.Join(c.rest, "\n")
}

// client asks without keeping connections, so that a drain has nothing to wait for.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
