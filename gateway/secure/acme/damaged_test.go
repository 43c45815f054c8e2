package acme

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// logged is a log that tests read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds a line.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all of it.
func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// files are where a certificate, its key and what is known of it lie.
func files(dir, name string) (cert, key, meta string) {
	s, keys, issuer := &certmagic.FileStorage{Path: dir}, certmagic.StorageKeys, (&certmagic.ACMEIssuer{CA: nowhere}).IssuerKey()
	return s.Filename(keys.SiteCert(issuer, name)), s.Filename(keys.SitePrivateKey(issuer, name)), s.Filename(keys.SiteMeta(issuer, name))
}

// write replaces a file.
func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// read gives a file.
func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// there reports whether a file is there.
func there(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// TestDamaged: a damaged file is named and set aside, and a certificate is got anew; what is whole stays where it is.
func TestDamaged(t *testing.T) {
	now := time.Now()
	for what, damage := range map[string]func(cert, key, meta, other string) (aside []string){
		"an empty certificate": func(cert, _, _, _ string) []string { write(t, cert, nil); return []string{cert} },
		"half a certificate":   func(cert, _, _, _ string) []string { write(t, cert, read(t, cert)[:100]); return []string{cert} },
		"an empty key":         func(_, key, _, _ string) []string { write(t, key, nil); return []string{key} },
		"half a key":           func(_, key, _, _ string) []string { write(t, key, read(t, key)[:60]); return []string{key} },
		"another's key": func(cert, key, _, other string) []string {
			write(t, key, read(t, other))
			return []string{cert, key}
		},
		"no JSON": func(_, _, meta, _ string) []string { write(t, meta, []byte("{")); return []string{meta} },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir, log := t.TempDir(), new(logged)
			issue(t, dir, nowhere, "a.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
			issue(t, dir, nowhere, "b.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
			cert, key, meta := files(dir, "a.example")
			_, other, _ := files(dir, "b.example")
			aside := damage(cert, key, meta, other)
			r := NewRegistry(slog.New(slog.NewTextHandler(log, nil)))
			t.Cleanup(r.Close)
			if _, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the authority is asked for another one", func() bool { return strings.Contains(r.Status()[0].Error, "refused") })
			for _, file := range []string{cert, key, meta} {
				damaged := false
				for _, f := range aside {
					damaged = damaged || f == file
				}
				if damaged != there(file+damagedSuffix) || damaged == there(file) || damaged != strings.Contains(log.String(), "file="+file) {
					t.Errorf("%s: damaged %v, set aside %v, left %v\n%s", file, damaged, there(file+damagedSuffix), there(file), log)
				}
			}
		})
	}
}

// TestUnreadable: a file that cannot be read is not taken for damaged, and the error names it.
func TestUnreadable(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	issue(t, dir, nowhere, "a.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	cert, _, _ := files(dir, "a.example")
	if err := errors.Join(os.Remove(cert), os.Mkdir(cert, 0o700)); err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t)
	if _, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file is named", func() bool { return strings.Contains(r.Status()[0].Error, cert) })
	if there(cert + damagedSuffix) {
		t.Error("it was set aside")
	}
}

// TestJustWritten: what another process is writing just now is left alone until it is whole.
func TestJustWritten(t *testing.T) {
	dir, now, ctx := t.TempDir(), time.Now(), context.Background()
	x := issue(t, dir, nowhere, "a.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	cert, key, _ := files(dir, "a.example")
	whole := read(t, key)
	write(t, key, nil)
	other := &certmagic.FileStorage{Path: dir}
	if err := other.Lock(ctx, issueLock+"a.example"); err != nil {
		t.Fatal(err)
	}
	claim, err := newRegistry(t).Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := claim.of.config.RenewCertSync(short, "a.example", true); !errors.Is(short.Err(), context.DeadlineExceeded) || err == nil || !strings.Contains(err.Error(), issueLock+"a.example") {
		t.Errorf("certmagic does not take that lock: %v", err)
	}
	if !there(key) {
		t.Error("it was set aside although another process writes it")
	}
	write(t, key, whole)
	if err := other.Unlock(ctx, issueLock+"a.example"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is shown", func() bool { c := claim.Lookup("a.example"); return c != nil && c.TLS.Leaf.Equal(x) })
	if there(key+damagedSuffix) || there(cert+damagedSuffix) {
		t.Error("it was set aside")
	}
}

// TestDamagedBeforeRenewal: a file that is damaged while its certificate is in use does not stand in the way of the renewal.
func TestDamagedBeforeRenewal(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	issue(t, dir, nowhere, "a.example", now.Add(-80*24*time.Hour), now.Add(10*24*time.Hour))
	r := newRegistry(t)
	claim, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if claim.Lookup("a.example") == nil {
		t.Fatal("it is not shown")
	}
	_, _, meta := files(dir, "a.example")
	write(t, meta, []byte("{"))
	eventually(t, "it is set aside", func() bool { claim.of.mendDue(); return there(meta + damagedSuffix) })
	if claim.Lookup("a.example") == nil {
		t.Error("it is not shown any more")
	}
}
