package clients

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// ask sends one request and reads its answer. begun says that something of one had come, last that the connection ends with it.
func ask(c net.Conn, r *bufio.Reader, path string) (last, begun bool, err error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path); err != nil {
		return false, false, err
	}
	if _, err := r.Peek(1); err != nil {
		return false, false, err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return false, true, err
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != 200 || string(body) != path) {
		err = fmt.Errorf("status %d, %q", res.StatusCode, body)
	}
	return res.Close, true, err
}

// keepAlive sends requests over one connection after the other, with pauses of different lengths.
func (l *Load) keepAlive(i int) {
	network, address := "tcp", l.target.Web
	if i%4 == 3 && l.target.Local != "" {
		network, address = "unix", l.target.Local
	}
	for !l.stopped() {
		c, err := net.Dial(network, address)
		if err != nil {
			l.fault(&l.KeepAlive, "keep-alive: %v", err)
			l.rest()
			continue
		}
		l.conversation(c, i)
		c.Close()
	}
}

// conversation uses a connection until it ends.
func (l *Load) conversation(c net.Conn, i int) {
	r := bufio.NewReader(c)
	for n := 0; !l.stopped(); n++ {
		last, begun, err := ask(c, r, fmt.Sprintf("/client-%d/request-%d", i, n))
		if err != nil {
			if n > 0 && !begun {
				l.Stale.Add(1)
			}
			l.fault(&l.KeepAlive, "keep-alive request %d: %v", n, err)
			l.rest()
			return
		}
		if l.KeepAlive.Done.Add(1); last {
			l.Ended.Add(1)
			return
		}
		if i%2 == 0 {
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
		}
	}
}

// fresh makes a connection for each request.
func (l *Load) fresh() {
	for ; !l.stopped(); time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", l.target.Web)
		if err == nil {
			_, _, err = ask(c, bufio.NewReader(c), "/fresh")
			c.Close()
		}
		if err != nil {
			l.fault(&l.Fresh, "new connection: %v", err)
			continue
		}
		l.Fresh.Done.Add(1)
	}
}

// download gets long bodies.
func (l *Load) download(bytes int) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * patience}
	for !l.stopped() {
		res, err := c.Get(fmt.Sprintf("http://%s/big?bytes=%d", l.target.Web, bytes))
		if err == nil {
			var n int64
			if n, err = io.Copy(io.Discard, res.Body); err == nil && n != int64(bytes) {
				err = errors.New("it is too short")
			}
			res.Body.Close()
		}
		if err != nil {
			l.fault(&l.Downloads, "download: %v", err)
			l.rest()
			continue
		}
		l.Downloads.Done.Add(1)
	}
}
