package secure

import (
	"slices"
	"time"

	"github.com/ringway/ringway/sys"
)

// source is what is known of the files of one certificate, or of the authorities, beside what of them is in use.
type source struct {
	stamps []stamp // when they were read last
	failed bool    // they were of no use then
	told   string  // what was logged of that
	aged   bool    // it was logged that nobody takes what is in use
}

// stamp is what a file looks like. Links are followed: that is how certificates are swapped all at once.
type stamp struct {
	sys.FileStamp
	err string
}

// changed looks at the files, and reports whether they are others than at the last look.
func (s *source) changed(files []string) bool {
	var now []stamp
	for _, f := range files {
		st, err := sys.StampFile(f)
		if err != nil {
			now = append(now, stamp{err: err.Error()})
			continue
		}
		now = append(now, stamp{FileStamp: st})
	}
	was := s.stamps
	s.stamps = now // before they are read: what is written meanwhile is a change
	return !slices.Equal(now, was)
}

// files are all that the certificate is made of.
func (s *CertificateSpec) files() []string {
	all := []string{s.Cert}
	if s.Key != "" {
		all = append(all, s.Key)
	}
	if s.filedProof() {
		all = append(all, s.OCSP)
	}
	return all
}

// look takes over the files that have changed; with all it reads the others, too. Each certificate with its key is judged for itself: one
// that is of no use does not keep others from being renewed. What runs is kept then, and the files are read again at every look until they
// are of use: a certificate and its key are two files, which nobody writes at one moment, and what is wrong may not stand in them, as the
// time and the permissions of a folder.
func (s *Server) look(all bool) {
	now, old := time.Now(), s.current.Load()
	next, differs := *old, false
	next.certificates = slices.Clone(old.certificates)
	for i, c := range old.certificates {
		source := &s.sources[i]
		if !source.changed(c.spec.files()) && !source.failed && !all {
			continue
		}
		fresh, fault := loadCertificate(c.spec, now)
		if same := fresh != nil && fresh.sum == c.sum; s.use(source, same, fault) {
			next.certificates[i] = fresh
			differs = differs || !same || c.spec.filedProof()
		}
	}
	if a := s.Spec.ClientAuth; a != nil {
		source := &s.sources[len(s.sources)-1]
		if source.changed([]string{a.CA}) || source.failed || all {
			fresh, fault := loadAuthorities(a.CA, now)
			if same := fresh != nil && fresh.sum == old.authorities.sum; s.use(source, same, fault) {
				next.authorities = fresh
				differs = differs || !same
			}
		}
	}
	if all {
		for i := range s.sources {
			s.sources[i].aged = false // whoever has asked is to be told again
		}
	}
	if !differs {
		return
	}
	s.current.Store(s.stapled(&next))
	for i, c := range next.certificates {
		if !c.leaf().Equal(old.certificates[i].leaf()) {
			s.log.Info("certificate taken over", "listener", s.name, "file", c.spec.Cert, "names", c.names, "expires", c.expiry)
		}
	}
}

// use reports whether what was read is to be used: not with a fault, unless it is the same as before. Each fault is logged once.
func (s *Server) use(from *source, same bool, fault *FileError) bool {
	if fault == nil || same {
		from.failed, from.told = false, ""
		return true
	}
	if text := fault.Error(); text != from.told {
		from.told = text
		s.log.Warn("certificate files have changed and are of no use; those in use are kept, and the files looked at again", "listener", s.name, "err", fault)
	}
	from.failed = true
	return false
}

// warnAged tells, once, of what is in use though nobody takes it.
func (s *Server) warnAged(now time.Time) {
	snap := s.current.Load()
	warn := func(from *source, fault *FileError, message string) {
		if fault != nil && !from.aged {
			s.log.Warn(message, "listener", s.name, "err", fault)
		}
		from.aged = fault != nil
	}
	for i, c := range snap.certificates {
		warn(&s.sources[i], c.fault(now), "clients do not take this certificate; it is shown until its file holds another")
	}
	if v := snap.authorities; v != nil {
		warn(&s.sources[len(s.sources)-1], v.fault(now), "no client's certificate is accepted by these authorities; they are asked for until the file holds others")
	}
}
