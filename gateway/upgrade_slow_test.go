package gateway

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/observe/metrics"
)

// What a slow end takes of one piece of a tunnel, and how: it takes far longer than the tunnel may be silent, each step far less.
const (
	slowPiece = 4 << 10
	slowStep  = 512
	slowPause = 150 * time.Millisecond
	slowTerms = "timeouts: {tunnel: 600ms, write: 50ms, read: 50ms}"
)

// takeSlowly opens a stream's window step by step, and gives how much has come when the stream ends or all is there.
func (k *framed) takeSlowly(id uint32) (got int) {
	for got < slowPiece {
		f := k.next()
		data, ok := f.(*http2.DataFrame)
		if !ok {
			return got
		}
		if got += len(data.Data()); got%slowStep == 0 {
			time.Sleep(slowPause)
			_ = k.WriteWindowUpdate(id, slowStep)
		}
	}
	return got
}

// TestTunnelTakenSlowlyByClient: a client that takes a long piece step by step is not silent, and how long its stream has no window
// is for the tunnel's time alone to bound.
func TestTunnelTakenSlowlyByClient(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{listener: slowTerms}, origin(t, func(c *client) {
			c.send("%s%s", accepting(c.head()), strings.Repeat("x", slowPiece))
			_, _ = c.rest()
		}))
		k := r.dialFramed()
		_ = k.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: slowStep})
		k.head(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "x")
		if status := k.told(1); status != "200" {
			t.Fatalf("answered by %s", status)
		}
		if got := k.takeSlowly(1); got != slowPiece {
			t.Fatalf("%d bytes of %d", got, slowPiece)
		}
		if f, ok := k.next().(*http2.RSTStreamFrame); !ok || f.ErrCode != http2.ErrCodeCancel {
			t.Errorf("then %v", f)
		}
		r.wantTunnels(1, metrics.IdleTimeout)
		_ = k.c.Close()
	})
}

// TestTunnelTakenSlowlyByServer: a server that takes a long piece step by step is not silent either.
func TestTunnelTakenSlowlyByServer(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		told := make(chan int, 1)
		at := frames(t, func(k *framed, _ int) {
			for {
				if head, ok := k.next().(*http2.MetaHeadersFrame); ok {
					k.head(head.StreamID, false, ":status", "200")
					told <- k.takeSlowly(head.StreamID)
					k.next()
					return
				}
			}
		}, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: slowStep})
		r := start(t, d, with{listener: slowTerms, cluster: overH2 + ", timeouts: {write: 50ms, read: 50ms}"}, at)
		c := r.dial()
		c.upgrade()
		c.send("%s", strings.Repeat("x", slowPiece))
		if got := heard(t, told); got != slowPiece {
			t.Errorf("%d bytes of %d", got, slowPiece)
		}
		c.wantEnd("")
		r.wantTunnels(1, metrics.IdleTimeout)
		_ = c.Close()
	})
}
