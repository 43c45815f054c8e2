package cli

import (
	"os"
	"strings"
	"testing"
)

// The configuration that the README shows is one that runs, and stays short.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the README shows no configuration")
	}
	if n := strings.Count(example, "\n"); n > 20 {
		t.Errorf("the README's configuration has %d lines; 20 is what a reader takes in", n)
	}
	if status, stdout, stderr := invoke("check", write(t, "gateway.yaml", example)); status != 0 {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
}
