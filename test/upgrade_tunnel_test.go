package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	askToGoOver = "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	goneOver    = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// echoUpgraded accepts an upgrade and sends back what it gets until that ends.
func echoUpgraded(w http.ResponseWriter, _ *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Time{})
	if _, err := io.WriteString(c, goneOver); err == nil {
		_, _ = io.Copy(c, rw.Reader)
	}
}

// goOver asks for an upgrade, and takes the answer off the connection.
func goOver(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, askToGoOver); err != nil {
		return err
	}
	got := make([]byte, len(goneOver))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != goneOver {
		return fmt.Errorf("the upgrade is answered by %q (%w)", got, err)
	}
	return nil
}
