package secure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/secure/acme"
)

// snapshot is all that loops need for handshakes. It never changes.
type snapshot struct {
	certificates []*certificate // as in the configuration
	authorities  *authorities   // of clients' certificates; nil: none are asked for
}

// Server is the TLS of one listener, shared by the loops. A goroutine of it looks after files, ticket keys and proofs.
type Server struct {
	Spec *Spec

	name    string
	log     *slog.Logger
	current atomic.Pointer[snapshot]
	tickets atomic.Pointer[Tickets]
	life    context.Context // ends with Close
	end     context.CancelFunc
	refresh chan struct{} // read the files now
	ended   sync.WaitGroup
	sources []source           // of the certificates, and of the authorities last
	staples map[string]*staple // by the certificate's file
	asking  int                // authorities that are asked for staples now
	answers chan answer        // of those
	refused map[string]string  // what was logged of files with proofs

	challenges *acme.Challenges // nil: none are answered
	names      []string         // to get certificates for, as they were given
	claim      *acme.Claim      // nil: all certificates are files
}

// Options are what a Server needs beside its Spec.
type Options struct {
	Listener string
	Log      *slog.Logger
	// Tickets are the keys of a Server before, so that its sessions can be resumed; nil: new ones.
	Tickets *Tickets
	// Before is the Server that this one is to replace; nil: none. What it has got from an authority is shown until there is something else.
	Before *Server
	// ACME gets certificates, and has challenges that any listener answers; nil: there is none of that.
	ACME *acme.Registry
	// Names are those to get certificates for. Names that are not configured as such may have a certificate by file, and then need no other.
	Names []string
}

// NewServer loads the certificates. It takes those that only Validate complains of (Bearable), with a warning. The error names the file.
func NewServer(spec *Spec, o Options) (*Server, error) {
	s := &Server{Spec: spec, name: o.Listener, log: o.Log, refresh: make(chan struct{}, 1), sources: make([]source, len(spec.Certificates)+1),
		staples: map[string]*staple{}, answers: make(chan answer, ocspAtOnce), refused: map[string]string{}}
	if s.tickets.Store(o.Tickets); o.Tickets == nil {
		s.tickets.Store(newTickets())
	}
	first, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("listeners.%s.tls: %w", o.Listener, err)
	}
	if err := s.claimNames(first, o); err != nil {
		return nil, fmt.Errorf("listeners.%s.tls.acme: %w", o.Listener, err)
	}
	s.current.Store(s.stapled(first))
	s.life, s.end = context.WithCancel(context.Background())
	s.ended.Go(s.keep)
	return s, nil
}

// Close ends the goroutine, and those that ask for proofs. Loops may go on with what they have.
func (s *Server) Close() {
	s.end()
	s.ended.Wait()
	if s.claim != nil {
		s.claim.Close()
	}
}

// Refresh has the files read soon, whatever they look like.
func (s *Server) Refresh() {
	select {
	case s.refresh <- struct{}{}:
	default: // it is to be done already
	}
}

// Same reports whether spec and names say what s was made of. The files may say something else by now.
func (s *Server) Same(spec *Spec, names []string) bool {
	return config.Equal(s.Spec, spec) && slices.Equal(s.names, names)
}

// Bears reports whether a fault is bearable and of what s uses already. It may be called on any goroutine.
func (s *Server) Bears(fault error) bool {
	held, ok := bearable(fault)
	if !ok {
		return false
	}
	now := s.current.Load()
	return now.authorities != nil && now.authorities.sum == held || slices.ContainsFunc(now.certificates, func(c *certificate) bool { return c.sum == held })
}

// load reads all files.
func (s *Server) load() (*snapshot, error) {
	snap, now := &snapshot{}, time.Now()
	var all []error
	for i := range s.Spec.Certificates {
		spec := &s.Spec.Certificates[i]
		s.sources[i].changed(spec.files())
		c, err := loadCertificate(spec, now)
		if c == nil {
			all = append(all, err)
			continue
		}
		snap.certificates = append(snap.certificates, c)
	}
	if a := s.Spec.ClientAuth; a != nil {
		s.sources[len(s.sources)-1].changed([]string{a.CA})
		v, err := loadAuthorities(a.CA, now)
		if v == nil {
			all = append(all, err)
		} else {
			snap.authorities = v
		}
	}
	return snap, errors.Join(all...)
}

// ticked is how often the goroutine looks whether anything is due.
const ticked = time.Second

// keep looks after what grows old, until Close.
func (s *Server) keep() {
	tick := time.NewTicker(min(ticked, max(s.Spec.Watch.Std(), 10*time.Millisecond), s.Spec.Tickets.Rotate.Std()))
	if s.Spec.Watch == 0 {
		tick.Reset(ticked)
	}
	defer tick.Stop()
	looked := time.Now()
	for {
		s.warnAged(time.Now())
		s.fetchStaples()
		select {
		case <-s.life.Done():
			return
		case a := <-s.answers:
			s.answered(a)
		case <-s.refresh:
			s.look(true)
		case now := <-tick.C:
			if w := s.Spec.Watch.Std(); w > 0 && now.Sub(looked) >= w {
				looked = now
				s.look(false)
			}
			s.dropStale(now)
			s.rotate(now)
		}
	}
}

// Terminator makes a loop's part. concurrent is its share of the handshakes at a time.
func (s *Server) Terminator(n *conn.Net, concurrent int) *Terminator {
	return newTerminator(s, n, concurrent)
}
