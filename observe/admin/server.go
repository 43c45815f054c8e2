package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits of the server. WriteTimeout counts from the end of the profiling
// interval a request asked for: net/http/pprof adds that to it.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
)

// unixPrefix begins an address that is a socket's path.
const unixPrefix = "unix:"

// socketMode lets only the owner connect to a Unix socket.
const socketMode = 0o600

// usersMode lets everybody connect, where it is by their number that some are let in.
const usersMode = 0o666

// Options says what a Server serves and where.
type Options struct {
	// Address is host:port with a loopback host, or unix:/path.
	Address string
	// Listener, if not nil, is what to accept from, in place of an own one: somebody else has opened Address.
	Listener net.Listener
	// AllowRemote permits addresses that other machines may reach.
	AllowRemote bool
	// Access says who may use what; SetAccess changes it.
	Access Access
	// Control is what the API at /v1/ operates. If nil, there is none.
	Control Control
	// Metrics answers /metrics. If nil, /metrics is not there.
	Metrics http.Handler
	// Ready answers /readyz: nil if traffic should be sent here. A nil
	// function is always ready.
	Ready func() error
	// Live answers /healthz: nil if the process need not be restarted. A nil
	// function is always alive.
	Live func() error
	// Log takes what goes wrong; nil discards it.
	Log *slog.Logger
}

// RemoteError is returned by Start for an address beyond this machine.
type RemoteError struct {
	Address string
}

// Error says what to do about it.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("admin address %s is not a loopback address; "+
		"profiles and metrics would be open to other machines, which must be allowed explicitly", e.Address)
}

// Server is a running admin server.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{} // closed when serving has ended
	access   atomic.Pointer[Access]
}

// Start binds o.Address and serves it until Close.
func Start(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := o.Listener, error(nil)
	if l == nil {
		l, err = listen(o.Address, o.AllowRemote, len(o.Access.Users) > 0)
	}
	if err != nil {
		return nil, err
	}
	// "localhost" is whatever the machine's hosts file says, and a listener that is given whatever its opener made of the address.
	if a, ok := l.Addr().(*net.TCPAddr); ok && !o.AllowRemote && !a.IP.IsLoopback() {
		l.Close()
		return nil, &RemoteError{Address: o.Address}
	}
	s := &Server{
		listener: l,
		done:     make(chan struct{}),
		http: &http.Server{
			ConnContext:       withPeer,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		},
	}
	s.access.Store(&o.Access)
	s.http.Handler = newHandler(o, s.access.Load)
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("admin server ended", "address", o.Address, "err", err)
		}
	}()
	return s, nil
}

// SetAccess changes who may use what, from the next request on. Users who could not connect to the Unix socket before, because
// there were none, cannot now.
func (s *Server) SetAccess(a Access) { s.access.Store(&a) }

// Addr returns the address that was bound, with the port chosen for port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops accepting, lets requests finish until ctx ends, and then cuts
// them off, which is the only case in which it returns an error.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	<-s.done
	return err
}

// listen binds address.
func listen(address string, allowRemote, users bool) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return listenUnix(path, users)
	}
	if !allowRemote && !isLoopback(address) {
		return nil, &RemoteError{Address: address}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return l, nil
}

// isLoopback reports whether address can only be reached from this machine.
// Other names than localhost are not looked up: what they mean may change.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // net.Listen has the better message
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// listenUnix binds a Unix socket for the owner alone. A socket file that
// nobody listens on any more, as a crash leaves it, is replaced; one that is
// in use, and a file that is no socket, are errors.
func listenUnix(path string, users bool) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			os.Remove(path)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	mode := fs.FileMode(socketMode)
	if users {
		mode = usersMode
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, fmt.Errorf("admin: %w", err)
	}
	return l, nil
}
