package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway"
)

const demoConfig = `
listeners:
  demo:
    address: %q
    routes:
      - name: hello
        path: /hello
        filters: [{respond: {body: "Hello from Ringway itself.\n"}}]
      - name: api
        path: /api/*
        filters: [{headers: {set: {X-Demo: api}, response: {set: {X-Route: api}}}}]
        cluster: api
      - name: site
        cluster: site
clusters:
  site: {endpoints: [%q]}
  api: {endpoints: [%q, {address: %q, weight: 2}]}
admin: {address: %q}
access_log: {path: stdout}
`

const demoText = `
Ringway serves on http://%[1]s with three origins behind it. Try:

  curl -i http://%[1]s/                 # the site
  curl -i http://%[1]s/api/users        # round robin, the second origin twice as often; headers added on both sides
  curl -i http://%[1]s/hello            # answered by a filter
  curl -i -d 'some text' http://%[1]s/echo    # a body, streamed both ways
  curl -i http://%[1]s/bytes/1000000 -o /dev/null
  curl http://%[2]s/metrics             # counters
  curl http://%[2]s/readyz

Ctrl-C drains and ends.
`

func demoCommand() *cobra.Command {
	var listen, adminAddr string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the gateway with origins of its own, and say what to try",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var origins []string
			for _, name := range []string{"site", "api-1", "api-2"} {
				addr, stop, err := startOrigin(name)
				if err != nil {
					return err
				}
				defer stop()
				origins = append(origins, addr)
			}
			spec := new(gateway.Spec)
			text := fmt.Sprintf(demoConfig, listen, origins[0], origins[1], origins[2], adminAddr)
			if err := config.Decode("demo", []byte(text), spec); err != nil {
				return err
			}
			r := run{spec: spec, source: gateway.Source{Name: "demo", Text: []byte(text)}, stderr: cmd.ErrOrStderr()}
			return r.serve(func(g *gateway.Gateway) {
				fmt.Fprintf(cmd.OutOrStdout(), demoText, g.Addr("demo"), g.AdminAddr())
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on")
	c.Flags().StringVar(&adminAddr, "admin", "127.0.0.1:9900", "address of the admin server")
	return c
}

// startOrigin starts a small web server on a free port of this machine.
func startOrigin(name string) (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { describe(w, r, name) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		_, _ = io.Copy(w, r.Body) // a client that leaves ends it
	})
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int64
		if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil || n < 0 {
			http.Error(w, "how many bytes?", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(n))
		_, _ = io.CopyN(w, zeros{}, n)
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(ln) }()
	return ln.Addr().String(), func() { _ = s.Shutdown(context.Background()) }, nil
}

// describe answers with what the origin saw of the request.
func describe(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(map[string]any{"origin": name, "method": r.Method, "host": r.Host, "path": r.URL.Path, "headers": r.Header})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
