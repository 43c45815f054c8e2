package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// body is what the benchmark's origin has at /small.
var body = strings.Repeat("ringway ", 16)

// Requests, on a connection that is kept and on one that is not.
const (
	request     = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"
	lastRequest = "GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)

// patience is how long a handshake or a request may take.
const patience = 10 * time.Second

// client makes connections to one server.
type client struct {
	options
	tls   *tls.Config
	tally tally
}

// groups are those for the key exchange that can be asked for.
var groups = []tls.CurveID{tls.X25519, tls.CurveP256, tls.X25519MLKEM768}

func newClient(o options) (*client, error) {
	// Its certificate is nobody's. Without a cache of sessions none is resumed.
	c := &client{options: o, tls: &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}
	for _, name := range o.groups {
		found := false
		for _, g := range groups {
			if g.String() == name {
				c.tls.CurvePreferences = append(c.tls.CurvePreferences, g)
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("no group %q: have %v", name, groups)
		}
	}
	return c, nil
}

// together has so many handshakes going on at a time.
func (c *client) together() Result {
	ctx, cancel := context.WithTimeout(context.Background(), c.duration)
	defer cancel()
	start := time.Now()
	var group sync.WaitGroup
	for range c.connections {
		group.Go(func() {
			for ctx.Err() == nil {
				c.visit()
			}
		})
	}
	group.Wait()
	return c.tally.result(time.Since(start))
}

// most is by how much handshakes may be late and are made up for; more than that are left out, for they would come as a burst.
const most = 50 * time.Millisecond

// atRate begins handshakes at the rate, as long as no more go on than it has connections.
func (c *client) atRate() Result {
	ctx, cancel := context.WithTimeout(context.Background(), c.duration)
	defer cancel()
	start := time.Now()
	slots := make(chan struct{}, c.connections)
	var group sync.WaitGroup
	for due := start; ; due = due.Add(time.Duration(float64(time.Second) / c.rate)) {
		time.Sleep(time.Until(due))
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		if now := time.Now(); now.Sub(due) > most {
			due = now
		}
		group.Go(func() {
			c.visit()
			<-slots
		})
	}
	group.Wait()
	return c.tally.result(time.Since(start))
}

// visit connects, makes a request, and leaves.
func (c *client) visit() {
	start := time.Now()
	conn, err := c.dial()
	if err == nil {
		defer conn.Close()
		in := bufio.NewReaderSize(conn, 1<<10)
		if err = ask(conn, in, lastRequest); err == nil {
			err = awaitEnd(in)
		}
	}
	name := ""
	if err == nil {
		name = conn.ConnectionState().CurveID.String()
	}
	c.tally.add(start, name, err)
}

// awaitEnd has the server end the connection first: the port waits on its side then, and this one does not run out of them.
func awaitEnd(in io.Reader) error {
	n, err := io.Copy(io.Discard, in)
	if err == nil && n > 0 {
		return fmt.Errorf("%d bytes behind the response", n)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // without a close_notify; the response was complete
	}
	return err
}

// keepAsking makes requests at the rate on connections that are kept.
func (c *client) keepAsking() (Result, error) {
	conns := make([]*tls.Conn, c.connections)
	for i := range conns {
		conn, err := c.dial()
		if err != nil {
			return Result{}, err
		}
		defer conn.Close()
		conns[i] = conn
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.duration)
	defer cancel()
	start := time.Now()
	mean := float64(c.connections) / c.rate * float64(time.Second)
	var group sync.WaitGroup
	for _, conn := range conns {
		group.Go(func() { c.askEvery(ctx, time.Duration(mean), conn) })
	}
	group.Wait()
	return c.tally.result(time.Since(start)), nil
}

// askEvery makes requests on one connection until the time is over or one fails: what is left of a failed one would be taken for the next.
func (c *client) askEvery(ctx context.Context, mean time.Duration, conn *tls.Conn) {
	in := bufio.NewReaderSize(conn, 1<<10)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(rand.N(2 * mean)):
		}
		start := time.Now()
		err := ask(conn, in, request)
		c.tally.add(start, conn.ConnectionState().CurveID.String(), err)
		if err != nil {
			return
		}
	}
}

// dial connects, and demands a full handshake as the benchmark compares them.
func (c *client) dial() (*tls.Conn, error) {
	raw, err := net.DialTimeout("tcp", c.to, patience)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, c.tls)
	if err = conn.SetDeadline(time.Now().Add(patience)); err == nil {
		err = conn.Handshake()
	}
	if err == nil {
		err = demand(conn.ConnectionState())
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// demand says what is different about a handshake.
func demand(s tls.ConnectionState) error {
	if s.DidResume {
		return errors.New("a session was resumed")
	}
	if key, ok := s.PeerCertificates[0].PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		return errors.New("the certificate's key is not ECDSA P-256")
	}
	return nil
}

// ask makes a request and reads its response, which has to be the origin's.
func ask(conn *tls.Conn, in *bufio.Reader, request string) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || string(got) != body) {
		err = fmt.Errorf("got %s with %d bytes", response.Status, len(got))
	}
	return err
}
