package clients

import (
	"io"
	"net"
	"net/http"
	"strconv"
)

// Origin is what the clients expect behind a proxy of HTTP: it answers with the path, with as many bytes as the query asks for, or by
// becoming an echo.
func Origin() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			becomeEcho(w)
			return
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("bytes")) // 0 for none
		w.Header().Set("Content-Length", strconv.Itoa(max(n, len(r.URL.Path))))
		if n == 0 {
			_, _ = io.WriteString(w, r.URL.Path) // a client that left needs none
			return
		}
		for chunk := make([]byte, 64<<10); n > 0; n -= len(chunk) {
			chunk = chunk[:min(n, len(chunk))]
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
}

func becomeEcho(w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close()
	if _, err := io.WriteString(c, switching+"Switching Protocols\r\n"+accepting+headEnd); err == nil {
		_, _ = io.Copy(c, rw) // until either side ends
	}
}

// ServeEcho is what the clients expect behind a proxy of TCP. It returns when the listener is closed.
func ServeEcho(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c) // until either side ends
		}()
	}
}
