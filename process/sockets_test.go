package process

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringway/ringway/process/systemd"
	"github.com/ringway/ringway/sys"
)

func wanted(name, address string, n int) Wanted {
	return Wanted{ListenerKey: ListenerKey{Name: name, Address: address}, Sockets: n, Backlog: 16}
}

func newTable(t *testing.T) *table {
	t.Helper()
	before := countDescriptors()
	tab := &table{open: OpenSockets}
	t.Cleanup(func() {
		tab.close()
		if n := countDescriptors(); n != before {
			t.Errorf("%d descriptors are open, %d were", n, before)
		}
	})
	return tab
}

func TestSocketsStayWhatTheyAre(t *testing.T) {
	tab := newTable(t)
	first, fds, err := tab.get([]Wanted{wanted("web", "127.0.0.1:0", 2)})
	if err != nil || len(fds) != 2 || first[0].Bound != first[1].Bound || first[1].Index != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, more, err := tab.get([]Wanted{wanted("web", "127.0.0.1:0", 4)})
	if err != nil || len(more) != 4 || more[0] != fds[0] || more[1] != fds[1] || again[3].Bound != first[0].Bound {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, fewer, err := tab.get([]Wanted{wanted("web", "127.0.0.1:0", 1)}); err != nil || len(fewer) != 4 {
		t.Errorf("who wants fewer gets %d (%v)", len(fewer), err)
	}
	if other, _, err := tab.get([]Wanted{wanted("api", "127.0.0.1:0", 1)}); err != nil || other[0].Bound == first[0].Bound {
		t.Errorf("%+v, %v: another listener whose port the kernel chooses", other, err)
	}
	// A listener that only got another name keeps its sockets.
	fixed := first[0].Bound
	tab.keep(nil)
	_, a, err := tab.get([]Wanted{wanted("old", fixed, 1)})
	if err != nil {
		t.Fatal(err)
	}
	renamed, b, err := tab.get([]Wanted{wanted("new", fixed, 1)})
	if err != nil || a[0] != b[0] || renamed[0].Name != "new" {
		t.Errorf("%v, %v, %v", a, b, err)
	}
	if closed := tab.keep([]ListenerKey{{Name: "new", Address: fixed}}); len(closed) != 0 {
		t.Errorf("closed %v", closed)
	}
}

// TestSocketsAllOrNone: what cannot be had leaves nothing open, and what was there alone.
func TestSocketsAllOrNone(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	tab := newTable(t)
	path := filepath.Join(t.TempDir(), "s")
	if _, _, err := tab.get([]Wanted{wanted("a", "127.0.0.1:0", 1)}); err != nil {
		t.Fatal(err)
	}
	open := countDescriptors()
	for _, w := range []Wanted{
		wanted("x", taken.Addr().String(), 2), wanted("x", "203.0.113.1:80", 1), wanted("x", "nonsense", 1), wanted("x", "127.0.0.1:0", 0),
		wanted("x", "127.0.0.1:0", maxSockets+1), wanted("x", "unix:/nonexistent/s", 1),
		{ListenerKey: ListenerKey{Name: "x", Address: "unix:/tmp/x", Datagram: true}, Sockets: 1},
	} {
		_, _, err := tab.get([]Wanted{wanted("a", "127.0.0.1:0", 3), wanted("u", "unix:"+path, 2), w})
		if err == nil || !strings.Contains(err.Error(), "listener x") {
			t.Errorf("%+v: %v", w, err)
		}
		if n := countDescriptors(); n != open || len(tab.entries) != 1 || len(tab.entries[0].fds) != 1 {
			t.Errorf("%+v left %d descriptors of %d, %d entries", w, n, open, len(tab.entries))
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v left the file of a Unix socket", w)
		}
	}
}

func TestSocketsOfEachKind(t *testing.T) {
	tab := newTable(t)
	path := filepath.Join(t.TempDir(), "s")
	udp := Wanted{ListenerKey: ListenerKey{Name: "dns", Address: "127.0.0.1:0", Datagram: true}, Sockets: 3}
	sockets, fds, err := tab.get([]Wanted{wanted("u", "unix:"+path, 2), udp})
	if err != nil || len(fds) != 5 {
		t.Fatal(sockets, err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if sockets[2].Bound != sockets[4].Bound || strings.HasSuffix(sockets[2].Bound, ":0") {
		t.Errorf("datagrams: %+v", sockets[2:])
	}
	d, err := net.Dial("udp", sockets[2].Bound)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	b, got := make([]byte, 4), 0
	for _, fd := range fds[2:] {
		if sys.Poll(int32(fd), sys.POLLIN) != 0 && sys.Recv(int32(fd), b) == 1 {
			got++
		}
	}
	if got != 1 {
		t.Errorf("a datagram arrived %d times", got)
	}
	tab.close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the file of a Unix socket is still there")
	}
}

func TestActivatedSockets(t *testing.T) {
	tab := newTable(t)
	byName, byAddress := listening(t), listening(t)
	tab.activated = []systemd.Socket{{Name: "web", Fd: byName}, {Name: "unknown", Fd: byAddress}, {Name: "idle", Fd: listening(t)}}
	address := boundAddress(byAddress)
	sockets, fds, err := tab.get([]Wanted{wanted("web", "127.0.0.1:1", 2), wanted("db", address, 2)})
	if err != nil || len(fds) != 2 || fds[0] != byName || fds[1] != byAddress || sockets[0].Bound != boundAddress(byName) {
		t.Errorf("%+v, %v, %v", sockets, fds, err)
	}
	if _, again, err := tab.get([]Wanted{wanted("web", "127.0.0.1:1", 2)}); err != nil || len(again) != 1 {
		t.Errorf("asked again: %v, %v", again, err)
	}
	if len(tab.activated) != 1 || tab.activated[0].Name != "idle" {
		t.Errorf("left: %+v", tab.activated)
	}
}

func listening(t *testing.T) int {
	t.Helper()
	fds, _, err := OpenSockets(wanted("x", "127.0.0.1:0", 1), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return fds[0]
}

// TestSocketModes: the file of a Unix socket has the mode that was asked for as soon as it is there, and a refused change leaves it.
func TestSocketModes(t *testing.T) {
	tab := newTable(t)
	path := filepath.Join(t.TempDir(), "s")
	w := wanted("admin", "unix:"+path, 1)
	for _, c := range []struct{ mode, want int }{{0o600, 0o600}, {0o666, 0o666}, {0, 0o666}} {
		w.Mode = c.mode
		if _, _, err := tab.get([]Wanted{w}); err != nil || fileMode(t, path) != c.want {
			t.Fatalf("%#o was wanted: %v, it is %#o", c.mode, err, fileMode(t, path))
		}
	}
	w.Mode = 0o600
	if _, _, err := tab.get([]Wanted{w, wanted("x", "nonsense", 1)}); err == nil || fileMode(t, path) != 0o666 {
		t.Errorf("%v: %#o is left", err, fileMode(t, path))
	}
	w.Mode = 0o4755
	if _, _, err := tab.get([]Wanted{w}); err == nil {
		t.Error("more than permissions is taken")
	}
	// Who may write to the folder cannot have another file's permissions changed.
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Remove(path), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	w.Mode = 0o666
	if _, _, err := tab.get([]Wanted{w}); err == nil || fileMode(t, other) != 0o600 {
		t.Errorf("%v: a file that a link points to has %#o", err, fileMode(t, other))
	}
}

func fileMode(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Mode().Perm())
}
