package keyless

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
)

const patience = 10 * time.Second

func TestMessages(t *testing.T) {
	digest := sha256.Sum256([]byte("x"))
	for _, r := range []Request{
		{Hash: crypto.SHA256, Digest: digest[:]},
		{Hash: crypto.SHA256, PSS: true, Digest: digest[:]},
		{Hash: 0, Digest: []byte("a message, for Ed25519")},
	} {
		r.Key[5] = 7
		b, err := r.Append([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		msg, n, err := cut(b[6:])
		if err != nil || n != len(b)-6 {
			t.Fatal(n, err)
		}
		got, err := ParseRequest(msg)
		if err != nil || got.Key != r.Key || got.Hash != r.Hash || got.PSS != r.PSS || !bytes.Equal(got.Digest, r.Digest) {
			t.Errorf("%+v became %+v, %v", r, got, err)
		}
	}
	resp := Response{Failed, []byte("why")}
	msg, _, err := cut(resp.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseResponse(msg); err != nil || got.Status != Failed || string(got.Body) != "why" {
		t.Error(got, err)
	}
}

func TestBadMessages(t *testing.T) {
	good, _ := (&Request{Hash: crypto.SHA256, Digest: make([]byte, 32)}).Append(nil)
	good = good[lengthSize:]
	for name, b := range map[string][]byte{
		"empty":         {},
		"cut":           good[:headSize-1],
		"short digest":  good[:len(good)-1],
		"long digest":   append(bytes.Clone(good), 0),
		"other version": append([]byte{9}, good[1:]...),
		"other hash":    append([]byte{1, 99}, good[2:]...),
		"other flags":   append([]byte{1, 1, 2}, good[3:]...),
		"PSS of nought": append([]byte{1, 0, 1}, good[3:]...),
	} {
		if _, err := ParseRequest(b); err != ErrMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := cut([]byte{0, 1, 0, 0}); err != ErrTooLong {
		t.Error(err)
	}
	if _, err := (&Request{Hash: crypto.MD5}).Append(nil); err != ErrHash {
		t.Error(err)
	}
	if _, err := ParseResponse([]byte{200}); err != ErrMalformed {
		t.Error(err)
	}
}

// FuzzRequest: what is taken says the same when it is written again, and input cut anywhere is not taken early.
func FuzzRequest(f *testing.F) {
	r := Request{Hash: crypto.SHA256, PSS: true, Digest: make([]byte, 32)}
	b, _ := r.Append(nil)
	f.Add(b)
	f.Add([]byte{0, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for i := range b {
			if _, n, _ := cut(b[:i]); n > i {
				t.Fatalf("a message of %d bytes in %d", n, i)
			}
		}
		msg, n, err := cut(b)
		if err != nil || n == 0 {
			return
		}
		_, _ = ParseResponse(msg)
		r, err := ParseRequest(msg)
		if err != nil {
			return
		}
		again, err := r.Append(nil)
		if err != nil || !bytes.Equal(again, b[:n]) {
			t.Fatalf("%x became %x, %v", b[:n], again, err)
		}
	})
}

// keys are one of each kind.
func keys(t testing.TB) []crypto.Signer {
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []crypto.Signer{e, r, d}
}

// serve starts a server and returns its address and what ends it.
func serve(t *testing.T, path string, all []crypto.Signer) (address string, stop func()) {
	s, err := NewServer(all, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := Listen("unix:"+path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return "unix:" + path, stop
}

// onLoop runs f in a task.
func onLoop(t *testing.T, f func(t *loop.Task, n *conn.Net)) {
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	l.Post(func() {
		n := conn.NewNet(l, conn.DefaultLimits())
		l.Go("test", func(task *loop.Task) {
			defer close(done)
			f(task, n)
		})
	})
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the task hangs")
	}
	l.Stop(time.Second)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
}

func verify(public crypto.PublicKey, digest, sig []byte, opts crypto.SignerOpts) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, sig)
	case *rsa.PublicKey:
		if o, ok := opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(k, o.Hash, digest, sig, o) == nil
		}
		return rsa.VerifyPKCS1v15(k, opts.HashFunc(), digest, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, sig)
	}
	return false
}

// TestSign: each kind of key signs what TLS asks of it, also after the server was started anew meanwhile.
func TestSign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.sock")
	all := keys(t)
	address, stop := serve(t, path, all)
	onLoop(t, func(task *loop.Task, n *conn.Net) {
		c := NewClient(n, address, patience)
		defer c.Close()
		digest := sha256.Sum256([]byte("to be signed"))
		pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		for round := range 2 {
			for i, ask := range []struct {
				key  int
				data []byte
				opts crypto.SignerOpts
			}{{0, digest[:], crypto.SHA256}, {1, digest[:], pss}, {1, digest[:], crypto.SHA256}, {2, []byte("whole"), crypto.Hash(0)}} {
				sig, err := c.Sign(task, all[ask.key].Public(), ask.data, ask.opts)
				if err != nil || !verify(all[ask.key].Public(), ask.data, sig, ask.opts) {
					t.Errorf("round %d, %d: %v", round, i, err)
				}
			}
			if round == 0 {
				_ = task.Offload(func() error {
					stop()
					_, stop = serve(t, path, all)
					return nil
				})
			}
		}
		other := keys(t)[0]
		var said *ServerError
		if _, err := c.Sign(task, other.Public(), digest[:], crypto.SHA256); !errors.As(err, &said) || said.Status != UnknownKey {
			t.Errorf("a key that is not there: %v", err)
		}
	})
	stop()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket's file is left")
	}
}

// TestSilentServer: a server that says nothing, or something else, costs the time for a signature and no more.
func TestSilentServer(t *testing.T) {
	for name, say := range map[string]string{"nothing": "", "too much": "\xff\xff\xff\xff", "more than asked": "\x00\x00\x00\x01\x00x", "an end": "end"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					if say == "end" {
						_ = c.Close()
						continue
					}
					_, _ = c.Write([]byte(say))
				}
			}()
			onLoop(t, func(task *loop.Task, n *conn.Net) {
				c := NewClient(n, "unix:"+path, 50*time.Millisecond)
				defer c.Close()
				_, err := c.Sign(task, keys(t)[0].Public(), make([]byte, 32), crypto.SHA256)
				if err == nil || say == "" && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				if task.Cause() != nil {
					t.Error("the task's own time is up: ", task.Cause())
				}
			})
		})
	}
}

func TestReadKeys(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, blocks ...*pem.Block) string {
		path := filepath.Join(dir, name)
		var b []byte
		for _, x := range blocks {
			b = append(b, pem.EncodeToMemory(x)...)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	all := keys(t)
	p8, _ := x509.MarshalPKCS8PrivateKey(all[2])
	ec, _ := x509.MarshalECPrivateKey(all[0].(*ecdsa.PrivateKey))
	p1 := x509.MarshalPKCS1PrivateKey(all[1].(*rsa.PrivateKey))
	good := write("good", &pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}, &pem.Block{Type: "PRIVATE KEY", Bytes: p8},
		&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec}, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: p1})
	if got, err := ReadKeys(good); err != nil || len(got) != 3 {
		t.Error(len(got), err)
	}
	for path, want := range map[string]string{
		write("none", &pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}):           "holds no private key",
		write("locked", &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}): "passphrase",
		write("broken", &pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}):           "broken",
		filepath.Join(dir, "absent"):                                                 "no such file",
	} {
		if _, err := ReadKeys(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestListen: the socket's file has its mode, takes the place of an earlier socket and of nothing else, and is not removed by
// the server before.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := Listen("unix:"+path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := os.Lstat(path); err != nil || i.Mode().Perm() != 0o660 {
		t.Error(i, err)
	}
	second, err := Listen("unix:"+path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = second.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the file is left")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+path, 0o600); err == nil {
		t.Error("it took the place of a file")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".keys-*")); len(left) > 0 {
		t.Error(left)
	}
}
