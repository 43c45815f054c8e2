// Package conn gives a loop listeners and connections. A Conn satisfies net.Conn, so that crypto/tls, bufio and friends
// work unchanged inside a task; the data path uses its lending calls instead, which copy nothing and hold no buffer
// while nothing is there.
//
// Start reading at conn.go, then read.go and write.go: a connection is one pending operation a side. Net is what the
// connections of a loop share: its blocks and pipes. Everything here belongs to one loop, and calls that wait must be
// made in a task of it. There are
//
//   - streams over TCP and Unix sockets: Dial and DialWith, StreamPair, and listeners that tell an Acceptor (Listen) or hand
//     connections to a task (ListenQueue); options.go has what can be set;
//   - messages over UDP and Unix sockets: a PacketConn (packet.go) reads and writes them by batches and lends what it received;
//     the kernel may cut what is sent and join what is received;
//   - descriptors and credentials over Unix sockets (unix.go), and Datagram.Files;
//   - pipes (PipeEnd), and Readiness for what somebody else reads or writes;
//   - cases of loop.Select (select.go): Readable of a Conn or a PacketConn, and Incoming.Case;
//   - relays of two connections, by copy or by splice (relay.go, splice.go);
//   - the way out of a loop, to another one or to another process, for connections at rest (Detach, Attach) and relays between
//     two messages (relay_move.go).
//
// Receiving is an operation of the driver, which holds no buffer until something comes. Sending messages is not: UDP takes
// what it has room for at once, so the call is made directly (sendmmsg), and only a full socket is waited for.
package conn
