package main

import (
	"encoding/binary"
	"net"
	"testing"
	"time"
)

func TestMatchesSeesEveryByte(t *testing.T) {
	const size = 40
	pattern := patternOf(size)
	message := patternOf(size)
	binary.LittleEndian.PutUint64(message, 7)
	for at := range size {
		for end := at + 1; end <= size; end++ {
			part := message[at:end]
			if !matches(part, pattern, 7, at) {
				t.Fatalf("bytes %d to %d of the right message are refused", at, end)
			}
			for i := range part {
				part[i] ^= 1
				if matches(part, pattern, 7, at) {
					t.Fatalf("a wrong byte %d is taken", at+i)
				}
				part[i] ^= 1
			}
		}
	}
	if matches(message, pattern, 8, 0) {
		t.Error("the answer to another message is taken")
	}
	if matches(append(message, 0), pattern, 7, 0) {
		t.Error("a byte too many is taken")
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond} {
		if got := h.quantile(q); got < want || got > want*18/16 {
			t.Errorf("quantile %v = %v, want %v or a sixteenth more", q, got, want)
		}
	}
	last := time.Duration(-1)
	for i := range 40 * subBuckets {
		if u := upper(i); u <= last || bucketOf(uint64(u)) != i {
			t.Fatalf("bucket %d ends at %d, which is in bucket %d", i, u, bucketOf(uint64(u)))
		} else {
			last = u
		}
	}
}

// TestDriveFindsOut drives servers that behave, and those that do not.
func TestDriveFindsOut(t *testing.T) {
	o := options{connections: 8, send: numberSize, receive: 64 << 10, duration: 50 * time.Millisecond}
	tests := []struct {
		name  string
		serve func(net.Conn)
		ok    bool
	}{
		{"answers", func(c net.Conn) { options{send: o.receive, receive: o.send}.answerOn(c) }, true},
		{"changes a byte", func(c net.Conn) { serveChanged(c, o) }, false},
		{"ends", func(c net.Conn) { c.Close() }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
					go test.serve(c)
				}
			}()
			driven := o // servers of earlier tests still read o
			driven.to = listener.Addr().String()
			d, err := connect(driven)
			if err != nil {
				t.Fatal(err)
			}
			result, err := d.run(o.duration)
			if (err == nil) != test.ok {
				t.Errorf("run = %+v, %v", result, err)
			}
			if test.ok && (result.Messages == 0 || result.P50 <= 0 || result.P99 < result.P50 || result.Elapsed < o.duration) {
				t.Errorf("run = %+v", result)
			}
		})
	}
}

// serveChanged answers once, with one byte wrong.
func serveChanged(c net.Conn, o options) {
	in := make([]byte, o.send)
	if _, err := c.Read(in); err != nil {
		return
	}
	out := patternOf(o.receive)
	copy(out, in)
	out[o.receive-1] ^= 1
	_, _ = c.Write(out)
}
