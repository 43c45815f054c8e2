package main

import (
	"io"
	"net"
)

// answer serves until it is killed.
func (o options) answer() error {
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		go o.answerOn(c)
	}
}

// answerOn answers every message with one that has its number.
func (o options) answerOn(c net.Conn) {
	defer c.Close()
	in, out := make([]byte, o.receive), patternOf(o.send)
	for {
		if _, err := io.ReadFull(c, in); err != nil {
			return
		}
		copy(out, in[:numberSize])
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}
