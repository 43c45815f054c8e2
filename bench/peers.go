package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is one proxy of the comparison. It runs with one worker.
type peer struct {
	name string
	// locate finds or builds the program. An absentError leaves the peer out.
	locate func(context.Context, *bench) (string, error)
	// version finds out the program's version; nil lets the revision of the
	// source tree stand in.
	version func(ctx context.Context, binary string) (string, error)
	// config is the template of its configuration file, empty for none.
	config string
	args   func(site) []string
	env    []string
	// check demands that what listens there serves as it should; nil leaves it
	// at listening.
	check func(ctx context.Context, b *bench, addr string) error
	// prepare, if not nil, puts into the directory what the configuration names.
	prepare func(site) error
	// secure says that it has TLS in front.
	secure bool
	// subject marks what the others are compared with.
	subject bool
	// standIn marks what takes the subjects' place when there is none.
	standIn bool
	// beside marks what is not measured: the origin.
	beside bool
}

// absentError says that a program is not there and what brings it.
type absentError struct {
	program, remedy string
}

// Error implements error.
func (e absentError) Error() string { return e.program + " is not here: " + e.remedy }

// allPeers is the table of proxies. The options choose the drivers Ringway is
// run with, the programs used, and whether Caddy takes part.
func allPeers(o options) []peer {
	var all []peer
	for _, driver := range o.drivers() {
		name := "ringway"
		if len(o.drivers()) > 1 {
			name += "-" + driver
		}
		all = append(all, peer{
			name:    name,
			locate:  built("./cmd/ringway"),
			version: printed("version"),
			config:  strings.ReplaceAll(ringwayConfig, "DRIVER", driver),
			args:    func(s site) []string { return []string{"run", "-c", s.File} },
			subject: true,
		})
	}
	all = append(all, peer{
		name:   "bare",
		locate: built("./bench/bare"),
		args:   func(s site) []string { return []string{"-listen", s.Listen, "-to", s.Origin} },
	}, peer{
		name:    "nginx",
		locate:  installed(o.nginx, "nginx"),
		version: printed("-v"),
		config:  nginxConfig,
		args:    nginxArgs,
	}, peer{
		name:    "haproxy",
		locate:  installed(o.haproxy, "haproxy"),
		version: printed("-v"),
		config:  haproxyConfig,
		args:    func(s site) []string { return []string{"-db", "-q", "-f", s.File} },
	})
	if o.caddy {
		all = append(all, peer{
			name:    "caddy",
			locate:  caddy(o.caddyVersion),
			version: moduleVersion,
			config:  caddyConfig,
			args: func(s site) []string {
				return []string{"run", "--adapter", "caddyfile", "--config", s.File}
			},
			env: []string{"GOMAXPROCS=1"},
		})
	}
	for i := range all {
		all[i].check = checkBodies
	}
	return all
}

// nginxArgs are the arguments of every nginx, proxy or origin.
func nginxArgs(s site) []string { return []string{"-p", s.Dir, "-c", s.File} }

// installed finds a program of the system. Daemons are in sbin, which is not
// on every user's path.
func installed(program, packages string) func(context.Context, *bench) (string, error) {
	return func(context.Context, *bench) (string, error) {
		candidates := []string{program}
		if !strings.ContainsRune(program, '/') {
			candidates = append(candidates, "/usr/sbin/"+program, "/usr/local/sbin/"+program)
		}
		for _, candidate := range candidates {
			if found, err := exec.LookPath(candidate); err == nil {
				return filepath.Abs(found)
			}
		}
		return "", absentError{program, fmt.Sprintf(
			"install the package %[1]s (apt install %[1]s, dnf install %[1]s, apk add %[1]s)", packages)}
	}
}

// built builds a command of this tree, static like a release.
func built(folder string) func(context.Context, *bench) (string, error) {
	return func(ctx context.Context, b *bench) (string, error) {
		if _, err := os.Stat(filepath.Join(b.root, folder)); errors.Is(err, os.ErrNotExist) {
			return "", absentError{folder, "this tree does not have it"}
		}
		binary := filepath.Join(b.bin, filepath.Base(folder))
		if _, err := os.Stat(binary); err == nil {
			return binary, nil // another peer is the same program
		}
		b.progress("building %s", folder)
		_, err := output(ctx, b.root, []string{"CGO_ENABLED=0"}, "go", "build", "-o", binary, folder)
		return binary, err
	}
}

// caddy builds Caddy from the module proxy, once per version.
func caddy(version string) func(context.Context, *bench) (string, error) {
	return func(ctx context.Context, b *bench) (string, error) {
		dir := filepath.Join(b.options.cache, "caddy-"+version)
		binary := filepath.Join(dir, "caddy")
		if _, err := os.Stat(binary); err == nil {
			return binary, nil
		}
		b.progress("building caddy %s into %s", version, dir)
		env := []string{"CGO_ENABLED=0", "GOBIN=" + dir, "GOFLAGS="}
		_, err := output(ctx, b.bin, env, "go", "install", "github.com/caddyserver/caddy/v2/cmd/caddy@"+version)
		return binary, err
	}
}

// printed asks a program for its version and keeps the telling line.
func printed(args ...string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, binary string) (string, error) {
		// Some exit non-zero after printing it (wrk): the text decides.
		text, err := output(ctx, "", nil, binary, args...)
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		if line == "" {
			return "", fmt.Errorf("%s printed no version: %w", binary, err)
		}
		for _, end := range []string{" - https", " Copyright"} {
			line, _, _ = strings.Cut(line, end)
		}
		return strings.TrimPrefix(line, "nginx version: "), nil
	}
}

// moduleVersion reads the version a Go program was built as. Caddy prints
// "unknown" when it was installed from its module.
func moduleVersion(_ context.Context, binary string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s, %s", info.Main.Path, info.Main.Version, info.GoVersion), nil
}

// dependencyVersion reads the version of a module that a Go program was built
// with.
func dependencyVersion(path string) func(context.Context, string) (string, error) {
	return func(_ context.Context, binary string) (string, error) {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return "", err
		}
		for _, m := range info.Deps {
			if m.Path == path {
				return fmt.Sprintf("%s %s, %s", m.Path, m.Version, info.GoVersion), nil
			}
		}
		return "", fmt.Errorf("%s is built without %s", binary, path)
	}
}
