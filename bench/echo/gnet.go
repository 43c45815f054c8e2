package main

import "github.com/panjf2000/gnet/v2"

// serveGnet echoes on one of gnet's event loops, which accepts too, as ours does.
func serveGnet(listen string) error {
	return gnet.Run(new(gnetEcho), "tcp://"+listen,
		gnet.WithNumEventLoop(1), gnet.WithReusePort(true), gnet.WithTCPNoDelay(gnet.TCPNoDelay))
}

type gnetEcho struct{ gnet.BuiltinEventEngine }

// OnTraffic sends back all that has come.
func (*gnetEcho) OnTraffic(c gnet.Conn) gnet.Action {
	p, err := c.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err := c.Write(p); err != nil {
		return gnet.Close
	}
	return gnet.None
}
