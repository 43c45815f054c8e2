package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"time"
)

const (
	// burstSettles is how long connections are open before a burst, and how long nothing happens after one.
	burstSettles = 200 * time.Millisecond
	// burstBeside is how long requests are made from a burst on: more than any server here needs for it.
	burstBeside = 400 * time.Millisecond
	// burstPause is between two of those requests.
	burstPause = 300 * time.Microsecond
)

// bursts has many clients say hello at once, again and again, and asks on a connection of its own meanwhile.
func (c *client) bursts() (Result, error) {
	hello, err := c.hello()
	if err != nil {
		return Result{}, err
	}
	kept, err := c.dial()
	if err != nil {
		return Result{}, err
	}
	defer kept.Close()
	in := bufio.NewReaderSize(kept, 1<<10)
	start := time.Now()
	for first := true; first || time.Since(start) < c.duration; first = false {
		worst, err := c.burst(hello, kept, in)
		c.tally.addFor(worst, kept.ConnectionState().CurveID.String(), err)
		if err != nil {
			break // what is left of a failed request would be taken for the next
		}
		time.Sleep(burstSettles)
	}
	return c.tally.result(time.Since(start)), nil
}

// burst is one of them; it says how long the slowest request took.
func (c *client) burst(hello []byte, kept *tls.Conn, in *bufio.Reader) (worst time.Duration, err error) {
	comers := make([]net.Conn, 0, c.connections)
	defer func() {
		for _, conn := range comers {
			_ = conn.(*net.TCPConn).SetLinger(0) // as many ports are not to wait
			_ = conn.Close()
		}
	}()
	for range c.connections {
		conn, err := net.DialTimeout("tcp", c.to, patience)
		if err != nil {
			return 0, err
		}
		comers = append(comers, conn)
	}
	time.Sleep(burstSettles)
	said := make(chan error, 1)
	start := time.Now()
	go func() {
		for _, conn := range comers {
			if _, err := conn.Write(hello); err != nil {
				said <- err
				return
			}
		}
		said <- nil
	}()
	for time.Since(start) < burstBeside {
		asked := time.Now()
		if err = ask(kept, in, request); err != nil {
			break
		}
		worst = max(worst, time.Since(asked))
		time.Sleep(burstPause)
	}
	if failed := <-said; err == nil {
		err = failed
	}
	return worst, err
}

// hello is the first flight of such a client.
func (c *client) hello() ([]byte, error) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		_ = tls.Client(ours, c.tls).Handshake() // it ends with the pipe
		ours.Close()
	}()
	const header = 5 // of a record: type, version, length
	record := make([]byte, header)
	if _, err := io.ReadFull(theirs, record); err != nil {
		return nil, err
	}
	record = append(record, make([]byte, int(record[3])<<8|int(record[4]))...)
	_, err := io.ReadFull(theirs, record[header:])
	return record, err
}
