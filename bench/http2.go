package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suiteHTTP2 is the gateway with HTTP/2 over TLS towards its clients.
const suiteHTTP2 = "http2"

// Headings of its tables.
const (
	groupHTTP2Small = "HTTP/2 over TLS 1.3, 128-byte body"
	groupHTTP2Large = "HTTP/2 over TLS 1.3, larger bodies"
)

// http2Loads are requests of HTTP/2, which h2load makes: each connection has so many of them open.
func http2Loads() []load {
	return []load{
		{name: "h2-16x32", group: groupHTTP2Small, label: "16 connections × 32 streams", path: smallPath, conns: 16, streams: 32, secure: true},
		{name: "h2-64x1", group: groupHTTP2Small, label: "64 connections × 1 stream", path: smallPath, conns: 64, streams: 1, secure: true},
		{name: "h2-16k", group: groupHTTP2Large, label: "16 KiB, 16 connections × 8 streams", path: mediumPath, conns: 16, streams: 8, secure: true},
	}
}

// http2Peers are the proxies of the comparison that speak HTTP/2.
func http2Peers(o options) []peer {
	all := tlsPeers(o)
	for i := range all {
		p := &all[i]
		p.name = strings.TrimSuffix(p.name, "-tls") + "-h2"
		p.config = strings.Replace(p.config, "{{.Listen}} ssl;", "{{.Listen}} ssl http2;\n    http2_max_concurrent_streams 128;\n    http2_max_requests 1000000000;", 1)
		p.config = strings.Replace(p.config, "ssl crt {{.Dir}}/both.pem", "ssl crt {{.Dir}}/both.pem alpn h2,http/1.1", 1)
		p.config = strings.Replace(p.config, "protocols h1\n", "protocols h1 h2\n", 1)
		p.check = checkHTTP2Bodies
	}
	return all
}

// checkHTTP2Bodies demands every body as the origin has it, by HTTP/2 over TLS 1.3.
func checkHTTP2Bodies(ctx context.Context, _ *bench, addr string) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	transport := &http.Transport{DisableCompression: true, Protocols: protocols,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}} // its certificate is nobody's
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range bodies() {
		if err := checkBody(ctx, client, "https://"+addr+path, want); err != nil {
			return err
		}
	}
	return nil
}

// exerciseHTTP2 runs h2load and returns the CPU time the proxy spent meanwhile.
func (b *bench) exerciseHTTP2(ctx context.Context, p *running, l load, duration time.Duration) (cpuTime, wrkResult, error) {
	h2load, err := installed("h2load", "nghttp2-client")(ctx, b)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	log := filepath.Join(b.data, "h2load.log")
	_ = os.Remove(log) // h2load appends
	args := []string{"-t", "1", "-c", strconv.Itoa(l.conns), "-m", strconv.Itoa(l.streams), "-D", strconv.Itoa(int(duration / time.Second)), "--log-file=" + log}
	if l.calls {
		more, err := b.callArgs()
		if err != nil {
			return cpuTime{}, wrkResult{}, err
		}
		args = append(args, more...)
	}
	scheme := "http://"
	if l.secure {
		scheme = "https://"
	}
	text, cpu, err := b.loadWith(ctx, p, h2load, append(args, scheme+p.addr+l.path)...)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	result, err := parseH2load(text)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	f, err := os.Open(log)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	defer f.Close()
	result.p50, result.p99, err = readH2loadLog(f)
	return cpu, result, err
}

// errH2load is wrapped by every error of parseH2load.
var errH2load = errors.New("cannot read what h2load printed")

// parseH2load reads the two lines of h2load's output that tell what came of the run.
func parseH2load(text string) (r wrkResult, err error) {
	var rate, count bool
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 4 && fields[0] == "finished" && fields[4] == "req/s,":
			rate = true
			r.perSecond, err = strconv.ParseFloat(fields[3], 64)
		case len(fields) == 15 && fields[0] == "requests:":
			count = true
			var total, started, done int64
			_, err = fmt.Sscanf(line, "requests: %d total, %d started, %d done, %d succeeded, %d failed, %d errored, %d timeout",
				&total, &started, &done, &r.requests, &r.wrongCodes, &r.read, &r.timeout)
			r.wrongCodes -= r.read // what errored has failed too
		}
		if err != nil {
			return wrkResult{}, fmt.Errorf("%w: %q: %w", errH2load, strings.TrimSpace(line), err)
		}
	}
	if !rate || !count {
		return wrkResult{}, fmt.Errorf("%w: it tells no rate, or no requests", errH2load)
	}
	return r, nil
}

// readH2loadLog reads the times of all requests, in microseconds the third column of each line.
func readH2loadLog(in io.Reader) (p50, p99 time.Duration, err error) {
	var times []int64
	for lines := bufio.NewScanner(in); lines.Scan(); {
		columns := strings.Split(lines.Text(), "\t")
		if len(columns) < 3 {
			return 0, 0, fmt.Errorf("%w: a line of its log has %d columns", errH2load, len(columns))
		}
		us, err := strconv.ParseInt(columns[2], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %w", errH2load, err)
		}
		times = append(times, us)
	}
	if len(times) == 0 {
		return 0, 0, fmt.Errorf("%w: its log is empty", errH2load)
	}
	slices.Sort(times)
	at := func(share int) time.Duration {
		return time.Duration(times[(len(times)-1)*share/100]) * time.Microsecond
	}
	return at(50), at(99), nil
}
