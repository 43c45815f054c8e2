package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// The resources the origin serves.
const (
	smallPath  = "/small"
	mediumPath = "/16k"
	largePath  = "/1m"
	// smallSize is the length of the small body.
	smallSize = 128
)

// bodies returns what the origin serves by path. The small one is 128 bytes of
// text, the others a pattern in which bytes that are lost, doubled or moved
// show.
func bodies() map[string][]byte {
	pattern := func(size int) []byte {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i*7 + i>>8 + i>>16)
		}
		return body
	}
	return map[string][]byte{
		smallPath:  []byte(strings.Repeat("ringway ", smallSize/8)),
		mediumPath: pattern(16 << 10),
		largePath:  pattern(1 << 20),
	}
}

// startOrigin starts the origin and returns its address: nginx with one worker,
// or, where that is not installed, Go's server inside this process. Either is
// outside of what is measured.
func (b *bench) startOrigin(ctx context.Context) (addr string, err error) {
	binary, err := installed(b.options.nginx, "nginx")(ctx, b)
	if errors.As(err, new(absentError)) {
		b.progress("the origin is Go's net/http: %v", err)
		b.originName = "Go net/http"
		return b.startGoOrigin()
	}
	if err != nil {
		return "", err
	}
	if b.originName, err = printed("-v")(ctx, binary); err != nil {
		return "", err
	}
	served := bodies()
	config := strings.ReplaceAll(originConfig, "BODY", string(served[smallPath]))
	origin := peer{name: "origin", config: config, args: nginxArgs, check: checkBodies, beside: true}
	prepare := func(s site) error {
		files := filepath.Join(s.Dir, "files")
		if err := os.Mkdir(files, 0o755); err != nil {
			return err
		}
		for path, body := range served {
			if err := os.WriteFile(files+path, body, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	p, err := b.start(ctx, contender{peer: origin, binary: binary}, prepare)
	if err != nil {
		return "", err
	}
	return p.addr, nil
}

// startGoOrigin serves the bodies from this process until the end.
func (b *bench) startGoOrigin() (addr string, err error) {
	mux := http.NewServeMux()
	for path, body := range bodies() {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "body.bin", processStart, bytes.NewReader(body))
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	b.atExit = append(b.atExit, func() { server.Close() })
	return listener.Addr().String(), nil
}
