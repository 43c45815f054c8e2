package message

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocument holds docs/handover.md to the code: its example, and its table of messages.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/handover.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "<!-- example -->\n```\n")
	if !ok {
		t.Fatal("the example is gone")
	}
	example, _, _ = strings.Cut(example, "```")
	want, err := hex.DecodeString(strings.Join(strings.Fields(example), ""))
	if err != nil {
		t.Fatal(err)
	}
	body := Body(&Hello{Role: RoleWorker, Min: 1, Max: 1})
	got := append(Header{Type: TypeHello, Seq: 1, Length: uint32(len(body))}.Append(nil), body...)
	if !bytes.Equal(got, want) {
		t.Errorf("the example is\n% x\nand the code writes\n% x", want, got)
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| ([A-Z]\w+) \| `).FindAllStringSubmatch(string(text), -1) {
		listed[row[1]+" "+row[2]] = true
	}
	missing := maps.Clone(listed)
	for _, m := range samples() {
		name := strings.TrimPrefix(fmt.Sprintf("%T", m), "*message.")
		if key := fmt.Sprint(m.Type(), " ", name); !listed[key] {
			t.Errorf("%s is not in the table", key)
		} else {
			delete(missing, key)
		}
	}
	for key := range missing {
		t.Errorf("the table has %s, the code does not", key)
	}
}
