package sys

import "net/netip"

// KernelSockets gives this package's calls on sockets as methods, for callers that work with whichever network they are given:
// the machine's own, or a simulated one (loop.Sockets).
type KernelSockets struct{}

// StreamSocket opens a stream socket of a family, as the function of that name does.
func (KernelSockets) StreamSocket(family int, nonblock bool) (int, error) {
	return StreamSocket(family, nonblock)
}

// StreamPair opens two connected Unix stream sockets.
func (KernelSockets) StreamPair(nonblock bool) ([2]int, error) { return StreamPair(nonblock) }

// Listen opens a listening stream socket.
func (KernelSockets) Listen(addr *Sockaddr, o ListenOptions) (int, error) { return Listen(addr, o) }

// Dup copies a descriptor.
func (KernelSockets) Dup(fd int) (int, error) { return Dup(fd) }

// Close closes a descriptor.
func (KernelSockets) Close(fd int) error { return Close(fd) }

// Getsockname gives a socket's local address.
func (KernelSockets) Getsockname(fd int) (netip.AddrPort, error) { return Getsockname(fd) }

// Getpeername gives the peer's address.
func (KernelSockets) Getpeername(fd int) (netip.AddrPort, error) { return Getpeername(fd) }

// SetNoDelay switches Nagle's algorithm off, or on.
func (KernelSockets) SetNoDelay(fd int, on bool) error { return SetNoDelay(fd, on) }

// SetRcvLowat sets how many bytes make a socket readable.
func (KernelSockets) SetRcvLowat(fd, bytes int) error { return SetRcvLowat(fd, bytes) }

// SetLinger0 makes the next close send RST instead of FIN.
func (KernelSockets) SetLinger0(fd int) error { return SetLinger0(fd) }

// SetNonblock sets or clears O_NONBLOCK.
func (KernelSockets) SetNonblock(fd int, on bool) error { return SetNonblock(fd, on) }

// Nonblock reports whether O_NONBLOCK is set.
func (KernelSockets) Nonblock(fd int) (bool, error) { return Nonblock(fd) }

// Shutdown ends one or both directions.
func (KernelSockets) Shutdown(fd, how int) error { return Shutdown(fd, how) }

// Pipe opens a non-blocking pipe.
func (KernelSockets) Pipe(size int) (r, w, room int, err error) { return Pipe(size) }

// Splice moves bytes between a socket and a pipe.
func (KernelSockets) Splice(in, out, n int, more bool) int32 { return Splice(in, out, n, more) }

// Accept takes one connection off a listening socket without waiting.
func (KernelSockets) Accept(fd int32, nonblock bool) int32 { return Accept(fd, nonblock) }

// Connect starts a connection; on a blocking socket it waits for it.
func (KernelSockets) Connect(fd int32, addr *Sockaddr) int32 {
	return Connect(fd, addr.Pointer(), addr.Len())
}

// Recv reads without waiting.
func (KernelSockets) Recv(fd int32, b []byte) int32 { return Recv(fd, b) }

// Send writes without waiting.
func (KernelSockets) Send(fd int32, b []byte, flags uint32) int32 { return Send(fd, b, flags) }

// Socket opens a socket of any kind.
func (KernelSockets) Socket(family, kind int, nonblock bool) (int, error) {
	return Socket(family, kind, nonblock)
}

// Pair opens two connected Unix sockets of any kind.
func (KernelSockets) Pair(kind int, nonblock bool) ([2]int, error) { return Pair(kind, nonblock) }

// Bind gives a socket a local address.
func (KernelSockets) Bind(fd int, addr *Sockaddr) error { return Bind(fd, addr) }

// SetOption sets an option of a socket.
func (KernelSockets) SetOption(fd int, o Option, v int) error { return SetOption(fd, o, v) }

// Option gives an option of a socket.
func (KernelSockets) Option(fd int, o Option) (int, error) { return GetOption(fd, o) }

// Credentials are those of the process on the other end of a Unix socket.
func (KernelSockets) Credentials(fd int) (Credentials, error) { return SocketCredentials(fd) }

// SendMessages sends messages without waiting.
func (KernelSockets) SendMessages(fd int32, o *Outgoing, from int) int32 { return o.Send(fd, from) }

// ReceiveMessage takes one message without waiting.
func (KernelSockets) ReceiveMessage(fd int32, block []byte) int32 { return ReceiveMessage(fd, block) }

// Read reads from a pipe, or whatever else does not make it wait.
func (KernelSockets) Read(fd int32, b []byte) int32 { return Read(fd, b) }

// Write writes to a pipe, or whatever else does not make it wait.
func (KernelSockets) Write(fd int32, b []byte) int32 { return Write(fd, b) }
