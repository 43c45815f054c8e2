package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// damagedSuffix is what the names of damaged files end in that were set aside.
	damagedSuffix = ".damaged"
	// issueLock is what certmagic's locks begin with that are held while files of a certificate are written.
	issueLock = "issue_cert_"
	// mendLimit is how long the renewal of all certificates waits for the files of one.
	mendLimit = time.Second
)

// errDamaged says that a certificate is missing since a file of it was damaged.
var errDamaged = fmt.Errorf("damaged files of it were set aside: %w", fs.ErrNotExist)

// mend looks why a certificate could not be loaded. If files of it are damaged they are set aside, and it is missing then. It waits
// while another process gets that certificate: what is just being written does not go together either.
func (c *client) mend(ctx context.Context, name string, err error) error {
	if err == nil || missing(err) || ctx.Err() != nil {
		return err
	}
	if err := c.storage.Lock(ctx, issueLock+name); err != nil {
		return fmt.Errorf("lock of the certificate: %w", err)
	}
	err = c.load(ctx, name)
	if err != nil && !missing(err) {
		err = c.setAside(ctx, name, err)
	}
	return errors.Join(err, c.storage.Unlock(ctx, issueLock+name))
}

// setAside has damaged files out of the way, if they are why the certificate could not be loaded. Its lock is held.
func (c *client) setAside(ctx context.Context, name string, why error) error {
	all := c.storage.damaged(ctx, c.issuer.key, name)
	for _, d := range all {
		if e := os.Rename(d.file, d.file+damagedSuffix); e != nil {
			return e
		}
		c.log.Warn("file in the folder for certificates is damaged: it is set aside, and a certificate is got anew",
			"name", name, "file", d.file, "set_aside", d.file+damagedSuffix, "err", d.err)
	}
	if len(all) > 0 {
		return errDamaged
	}
	return why
}

// mendDue looks after the files of certificates that are to be renewed: a renewal reads them first.
func (c *client) mendDue() {
	for text, cert := range c.latest() {
		if !cert.NeedsRenewal(c.config) {
			continue
		}
		ctx, cancel := context.WithTimeout(c.ctx, mendLimit)
		_ = c.mend(ctx, text, c.load(ctx, text)) // the renewal fails with that, and tells of it
		cancel()
	}
}

// damage is what is wrong with a file.
type damage struct {
	file string
	err  error
}

// damaged tells which files of a certificate are of no use. A file that cannot be read is none of them.
func (s *storage) damaged(ctx context.Context, issuer, name string) (all []damage) {
	keys := certmagic.StorageKeys
	read := map[string][]byte{}
	certAt, keyAt, metaAt := keys.SiteCert(issuer, name), keys.SitePrivateKey(issuer, name), keys.SiteMeta(issuer, name)
	for _, at := range []string{certAt, keyAt, metaAt} {
		data, err := s.Load(ctx, at)
		if err != nil {
			return nil
		}
		read[at] = data
	}
	note := func(at string, err error) {
		if err != nil {
			all = append(all, damage{s.Filename(at), err})
		}
	}
	if leafOf(read[certAt]) == nil {
		note(certAt, errors.New("it holds no certificate in PEM"))
	}
	_, err := certmagic.PEMDecodePrivateKey(read[keyAt])
	note(keyAt, err)
	note(metaAt, json.Unmarshal(read[metaAt], new(certmagic.CertificateResource)))
	if len(all) == 0 {
		_, err := tls.X509KeyPair(read[certAt], read[keyAt])
		note(certAt, err)
		note(keyAt, err)
	}
	return all
}
