package acme

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// atATime is how many first certificates are got at a time. Further names wait for their turn.
	atATime = 16
	// readers is how many names are looked for in the folder at a time: each may hold a thread, and there may be thousands of names.
	readers = 32
	// unlockLimit is how long the end waits for orders that are cancelled to give their locks back.
	unlockLimit = 2 * time.Second
	// endLimit is how long the end waits for what goes on. All of it is cancelled; what does not heed that is left to itself.
	endLimit = 2 * time.Second
	// longestCheck is how often certificates are looked at that live for weeks, and checksInLife how often at least those are that do not.
	longestCheck  = 10 * time.Minute
	shortestCheck = time.Second
	checksInLife  = 60
)

// client gets and renews the certificates of one account at one authority, and keeps them in one folder.
type client struct {
	registry *Registry
	key      string
	spec     Spec
	log      *slog.Logger
	storage  *storage
	issuer   *issuer
	config   *certmagic.Config
	cache    *certmagic.Cache
	asker    *asker // nil: nothing on demand
	unshare  func()

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	turns     chan struct{} // of those that get first certificates
	reads     chan struct{} // of those that look into the folder for the first time
	questions chan struct{} // of those that ask for proofs
	hurry     chan struct{} // look at all certificates now
	ready     chan struct{} // closed when config is there

	certificates sync.Map // *Certificate by name, which loops read: neither reads nor waits for locks

	mu       sync.Mutex
	names    map[string]*name
	claims   int
	demanded int // names that are there because a client asked for them
	meeting  int // those of them that are being got
	check    time.Duration
}

// name is what is known of one name.
type name struct {
	text     string
	claims   int
	demanded bool          // by a client
	looked   chan struct{} // closed when the folder has been looked into
	stop     context.CancelFunc
	cert     *Certificate // nil: none yet
	err      error        // why there is none, or why it was not renewed
	tries    int          // that failed since the last success
	next     time.Time    // when the next one is; zero: it goes on, or the authority says when
	waiting  []func(*Certificate, error)

	ask         time.Time // when the responder is asked for a proof; zero: it is being asked, or none can be had
	provenUntil time.Time // of the proof that is shown
	revoked     int       // certificates in a row that had no proof but were revoked
	unproven    error     // why the last question had no proof for an answer
}

func newClient(r *Registry, key string, spec Spec) (*client, error) {
	spec.Names = nil
	c := &client{registry: r, key: key, spec: spec, log: r.log, names: map[string]*name{}, check: longestCheck,
		turns: make(chan struct{}, atATime), reads: make(chan struct{}, readers), questions: make(chan struct{}, proofsAtATime),
		hurry: make(chan struct{}, 1), ready: make(chan struct{})}
	var err error
	if c.storage, err = openStorage(spec.Storage); err != nil {
		return nil, err
	}
	if spec.OnDemand != nil {
		if c.asker, err = newAsker(spec.OnDemand); err != nil {
			return nil, err
		}
	}
	if c.issuer, err = newIssuer(&c.spec, c.storage, r.challenges, r.log); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	zap := newCertmagicLog(r.log)
	c.cache = certmagic.NewCache(c.cacheOptions(longestCheck))
	c.config = certmagic.New(c.cache, certmagic.Config{
		Issuers: []certmagic.Issuer{c.issuer}, Storage: c.storage, OnEvent: c.event, Logger: zap,
		ShouldEmitFunc: func(event string) bool { return event != "tls_get_certificate" },
		KeySource:      certmagic.StandardKeyGenerator{KeyType: certmagic.KeyType(spec.KeyType)},
		OCSP:           certmagic.OCSPConfig{DisableStapling: true}, // it waits for responders for ever, and with it whoever loads a certificate
	})
	close(c.ready)
	c.unshare = r.challenges.share(challengeSource{c.storage, c.issuer.prefix()})
	c.work.Go(c.keep)
	c.work.Go(c.keepProofs)
	return c, nil
}

// close ends what goes on, and gives locks back.
func (c *client) close() {
	c.unshare()
	c.mu.Lock()
	c.cancel() // nothing begins after that
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() { c.work.Wait(); close(ended) }()
	awaitAll([]<-chan struct{}{ended}, endLimit) // a reload and the end of the process wait here
	go c.cache.Stop()                            // it may be asking the authority something just now, of which nobody wants to hear
	c.storage.close(unlockLimit)
	c.issuer.close()
	if c.asker != nil {
		c.asker.http.CloseIdleConnections()
	}
}

// lookup is the certificate of a name; nil for none.
func (c *client) lookup(name string) *Certificate {
	if v, ok := c.certificates.Load(name); ok {
		return v.(*Certificate)
	}
	return nil
}

// claim has names looked after that are not yet, and returns channels that say when the folder has been looked into for each.
func (c *client) claim(names []string) (looking []<-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims++
	for _, text := range names {
		n := c.names[text]
		if n == nil {
			n = &name{text: text, looked: make(chan struct{})}
			c.names[text] = n
			c.begin(n, c.acquire)
		}
		n.claims++
		looking = append(looking, n.looked)
	}
	return looking
}

// begin runs f for a name until it ends or the name is given up. The mutex is held.
func (c *client) begin(n *name, f func(context.Context, *name)) {
	ctx, stop := context.WithCancel(c.ctx)
	n.stop = stop
	c.work.Go(func() {
		defer stop()
		f(ctx, n)
	})
}

// release gives names up; last says that nobody claims anything any more.
func (c *client) release(names []string) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims--
	for _, text := range names {
		n := c.names[text]
		if n == nil {
			continue
		}
		if n.claims--; n.claims == 0 && !n.demanded {
			c.drop(n)
			if c.claims > 0 {
				c.log.Info("name no longer looked after", "name", text)
			}
		}
	}
	return c.claims == 0
}

// drop forgets a name. What lies in the folder stays there. The mutex is held.
func (c *client) drop(n *name) {
	n.stop()
	delete(c.names, n.text)
	c.certificates.Delete(n.text)
	c.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: n.text}})
	if n.demanded {
		c.demanded--
	}
}

// acquire gets the first certificate of a name: from the folder, else from the authority, again and again.
func (c *client) acquire(ctx context.Context, n *name) {
	for try := 1; ; try++ {
		c.reads <- struct{}{}
		err := c.load(ctx, n.text)
		<-c.reads
		if try == 1 {
			close(n.looked)
		}
		err = c.mend(ctx, n.text, err)
		if missing(err) {
			err = c.obtain(ctx, n.text)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		wait := backoff(try, err)
		c.notObtained(n, err, try, wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// obtain has the authority issue a certificate, when it is the name's turn.
func (c *client) obtain(ctx context.Context, name string) error {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.log.Info("getting a certificate", "name", name, "ca", c.spec.CA)
	if err := c.config.ObtainCertSync(ctx, name); err != nil {
		if ctx.Err() == nil {
			c.registry.counters.obtainFailed.Add(1)
		}
		return err
	}
	return c.load(ctx, name)
}

// load takes a certificate from the folder and publishes it.
func (c *client) load(ctx context.Context, name string) error {
	cert, err := c.config.CacheManagedCertificate(ctx, name)
	if err != nil {
		return err
	}
	return c.publish(name, cert)
}

// publish has loops show a certificate from now on, unless they have it, or a later one.
func (c *client) publish(text string, from certmagic.Certificate) error {
	if had := c.lookup(text); had != nil && had.hash == from.Hash() {
		return nil
	}
	cert, err := newCertificate(from)
	if err != nil {
		return err
	}
	kept := c.keptProof(cert, time.Now())
	cert.TLS.OCSPStaple = kept.raw
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[text]
	if n == nil { // it was given up meanwhile
		c.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: text}})
		return nil
	}
	if n.cert != nil && (n.cert.hash == cert.hash || n.cert.since().After(cert.since())) {
		return nil
	}
	says := "certificate in use"
	if n.cert != nil {
		says = "certificate renewed"
	}
	n.cert, n.err, n.tries, n.next = cert, nil, 0, time.Time{}
	n.provenUntil, n.unproven = kept.until, nil
	c.certificates.Store(text, cert)
	c.log.Info(says, "name", text, "expires", cert.Expiry, "issuer", cert.Issuer)
	c.checkOften(cert.lifetime())
	if from.NeedsRenewal(c.config) {
		c.hasten()
	}
	c.beginProof(n)
	return nil
}

// checkOften has certificates looked at often enough for one that lives so long. The mutex is held.
func (c *client) checkOften(lifetime time.Duration) {
	often := max(min(lifetime/checksInLife, longestCheck), shortestCheck)
	if often >= c.check {
		return
	}
	c.check = often
	c.cache.SetOptions(c.cacheOptions(often))
	c.hasten()
}

// cacheOptions are those of a cache whose certificates are looked at so often.
func (c *client) cacheOptions(often time.Duration) certmagic.CacheOptions {
	return certmagic.CacheOptions{RenewCheckInterval: often, Logger: newCertmagicLog(c.log), GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) {
		<-c.ready // the cache is there before its configuration
		return c.config, nil
	}}
}

// hasten has all certificates looked at now.
func (c *client) hasten() {
	select {
	case c.hurry <- struct{}{}:
	default: // it is to be done already
	}
}

// notObtained notes a try that failed.
func (c *client) notObtained(n *name, err error, try int, wait time.Duration) {
	c.mu.Lock()
	n.err, n.tries, n.next = err, try, time.Now().Add(wait)
	c.mu.Unlock()
	c.log.Warn("no certificate obtained, trying again", "name", n.text, "ca", c.spec.CA, "try", try, "again_in", wait.Round(time.Second), "err", reason(err))
}

// The pauses between tries. An authority that does not answer may do so soon, and nobody counts; one that said no counts, and says
// no to all for a while when it was too often.
var (
	pausesSilent  = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}
	pausesRefused = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}
)

// backoff is how long to wait after try failed, the first being 1.
func backoff(try int, err error) time.Duration {
	pauses := pausesRefused
	if unreachable(err) {
		pauses = pausesSilent
	}
	d := pauses[min(try, len(pauses))-1]
	return d + rand.N(d/10) // lest many names try at one moment
}

// keep looks after certificates until the client is closed.
func (c *client) keep() {
	for {
		c.mu.Lock()
		often := c.check
		c.mu.Unlock()
		select {
		case <-c.ctx.Done():
			return
		case <-c.hurry:
		case <-time.After(often):
		}
		c.mendDue()
		if err := c.cache.RenewManagedCertificates(c.ctx); err != nil {
			c.log.Warn("certificates cannot be looked after", "err", err)
		}
		c.refresh()
	}
}

// refresh publishes what has changed in certmagic's cache without an event: what another process renewed.
func (c *client) refresh() {
	for text, cert := range c.latest() {
		_ = c.publish(text, cert) // it was fit when it was put there
	}
}

// latest are the certificates in certmagic's cache by name, of each name the last one.
func (c *client) latest() map[string]certmagic.Certificate {
	c.mu.Lock()
	var all []string
	for text, n := range c.names {
		if n.cert != nil {
			all = append(all, text)
		}
	}
	c.mu.Unlock()
	found := map[string]certmagic.Certificate{}
	for _, text := range all {
		var latest certmagic.Certificate
		for _, cert := range c.cache.AllMatchingCertificates(text) {
			if cert.Leaf != nil && (latest.Leaf == nil || cert.Leaf.NotBefore.After(latest.Leaf.NotBefore)) {
				latest = cert
			}
		}
		if latest.Leaf != nil {
			found[text] = latest
		}
	}
	return found
}

// event hears from certmagic. An error stops a renewal that is about to begin.
func (c *client) event(ctx context.Context, event string, data map[string]any) error {
	text, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cert_obtaining":
		if renewal {
			return c.mayRenew(ctx, text)
		}
	case "cert_obtained":
		if renewal {
			c.registry.counters.renewed.Add(1)
		} else {
			c.registry.counters.obtained.Add(1)
		}
		c.mu.Lock()
		known := c.names[text] != nil && c.names[text].cert != nil
		c.mu.Unlock()
		if known && c.ctx.Err() == nil { // else who gets the first one loads it
			return c.load(ctx, text)
		}
	case "cert_failed":
		if err, _ := data["error"].(error); renewal && err != nil && !errors.Is(err, context.Canceled) {
			c.notRenewed(text, err)
		}
	}
	return nil
}

// notRenewed notes a renewal that failed. certmagic tries again, at growing intervals.
func (c *client) notRenewed(text string, err error) {
	c.registry.counters.renewFailed.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[text]
	if n == nil || n.cert == nil {
		return
	}
	n.err = err
	n.tries++
	c.log.Warn("certificate not renewed, trying again", "name", text, "ca", c.spec.CA, "try", n.tries, "expires", n.cert.Expiry,
		"left", time.Until(n.cert.Expiry).Round(time.Second), "err", reason(err))
}
