package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringway/ringway/bench/handover/clients"
)

// askToGoOver asks for a WebSocket.
const askToGoOver = "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// TestTunnelMoves: a tunnel that outlives its worker is one line in the log, with what passed through it in both.
func TestTunnelMoves(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		u := &upgrades{dir: t.TempDir()}
		u.control = filepath.Join(u.dir, "control")
		log := filepath.Join(u.dir, "access.log")
		u.process = start(t, driver, fmt.Sprintf("listeners:\n  web: {address: 127.0.0.1:0, routes: [{name: chat, cluster: site}]}\nclusters: {site: {endpoints: [%q]}}\n"+
			"access_log: {path: %q}\nprocess: {control: %q}", serveGo(t, clients.Origin()), log, u.control), options{runtime: "drain_timeout: 10s"})
		u.config = u.cmd.Args[3]
		w := dial(t, u.addr)
		w.send("GET /tunnel?a=b HTTP/1.1\r\nHost: a.example\r\nUser-Agent: me\r\nReferer: http://r/\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		if res := w.head("GET"); res.StatusCode != 101 {
			t.Fatal(res)
		}
		for range 2 {
			w.exchange("some words")
			u.upgrade()
		}
		w.exchange("and more")
		if n := u.metric("ringway_listener_tunnels{"); n != 1 {
			t.Errorf("%v tunnels are open", n)
		}
		_ = w.CloseWrite()
		w.mustEnd()
		var text []byte
		eventually(t, func() (err error) {
			if text, err = os.ReadFile(log); err == nil && len(text) == 0 {
				err = errors.New("nothing is logged")
			}
			return err
		})
		for _, want := range []string{`"client":"127.0.0.1:`, `"listener":"web","method":"GET","host":"a.example","path":"/tunnel?a=b","protocol":"HTTP/1.1","status":101,"bytes_in":28,"bytes_out":28,`,
			`"referer":"http://r/","user_agent":"me","route":"chat","cluster":"site","upstream":"127.0.0.1:`, `"end":"finished"}`} {
			if !strings.Contains(string(text), want) || strings.Count(string(text), "\n") != 1 {
				t.Errorf("no %s in %s", want, text)
			}
		}
		if n := u.metric(`ringway_listener_tunnels_ended_total{`); n != 1 {
			t.Errorf("%v tunnels have ended", n)
		}
	})
}
