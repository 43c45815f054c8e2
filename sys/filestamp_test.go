package sys

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStampFile: a link that leads elsewhere, to a file of the same size and time, and another mode are seen.
func TestStampFile(t *testing.T) {
	dir := t.TempDir()
	one, two, link := filepath.Join(dir, "one"), filepath.Join(dir, "two"), filepath.Join(dir, "link")
	for _, f := range []string{one, two} {
		if err := os.WriteFile(f, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stamp := func(f string) FileStamp {
		s, err := StampFile(f)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := stamp(one)
	if err := os.Chtimes(two, first.Modified, first.Modified); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(one, link); err != nil {
		t.Fatal(err)
	}
	if stamp(link) != first || stamp(one) != first {
		t.Error("a file that nobody has touched has another stamp")
	}
	if err := os.Symlink(two, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	if s := stamp(link); s == first || s.Size != first.Size || !s.Modified.Equal(first.Modified) {
		t.Errorf("%+v after %+v", s, first)
	}
	for stamp(one).Changed.Equal(first.Changed) { // the kernel's clock for files is a coarse one
		if err := os.Chmod(one, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if s := stamp(one); s == first || !s.Modified.Equal(first.Modified) {
		t.Errorf("%+v after %+v", s, first)
	}
	if _, err := StampFile(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Error(err)
	}
}
