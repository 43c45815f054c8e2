package secure

import (
	"os"
	"slices"
	"time"
)

// stamp is what a file looked like.
type stamp struct {
	modified time.Time
	size     int64
	err      string
}

// files are all that the configuration names.
func (s *Server) files() []string {
	var all []string
	for i := range s.Spec.Certificates {
		c := &s.Spec.Certificates[i]
		all = append(all, c.Cert)
		if c.Key != "" {
			all = append(all, c.Key)
		}
		if c.OCSP != "" && c.OCSP != FetchOCSP {
			all = append(all, c.OCSP)
		}
	}
	if a := s.Spec.ClientAuth; a != nil {
		all = append(all, a.CA)
	}
	return all
}

// look takes the stamps of all files. Links are followed: that is how certificates are swapped all at once.
func (s *Server) look() []stamp {
	var all []stamp
	for _, f := range s.files() {
		st := stamp{}
		if i, err := os.Stat(f); err != nil {
			st.err = err.Error()
		} else {
			st.modified, st.size = i.ModTime(), i.Size()
		}
		all = append(all, st)
	}
	return all
}

// reloadChanged takes over files that have changed. What is wrong with them is logged once, and what runs is kept: a
// certificate and its key are two files, which nobody writes at one moment.
func (s *Server) reloadChanged() {
	now := s.look()
	if slices.Equal(now, s.stamps) {
		return
	}
	s.stamps = now
	old := s.current.Load()
	next, err := s.load()
	if err != nil {
		s.log.Warn("certificate files have changed and are of no use; those in use are kept", "listener", s.name, "err", err)
		return
	}
	s.current.Store(s.stapled(next))
	for i, c := range next.certificates {
		if c.leaf().Equal(old.certificates[i].leaf()) {
			continue
		}
		s.log.Info("certificate taken over", "listener", s.name, "file", c.spec.Cert, "names", c.names, "expires", c.expiry)
	}
}
