package main

import "net"

// netBuffer is the buffer of a connection; it does not limit a message.
const netBuffer = 4 << 10

// serveNet echoes with a goroutine for each connection.
func serveNet(listen string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		go echoNet(c)
	}
}

func echoNet(c net.Conn) {
	defer c.Close()
	b := make([]byte, netBuffer)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
