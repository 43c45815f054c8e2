package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	rfc8555 "github.com/mholt/acmez/v3/acme"
)

const (
	// issueLimit bounds one try to get a certificate. Authorities may take minutes when they are busy.
	issueLimit = 10 * time.Minute
	// answerLimit bounds one request to the authority.
	answerLimit = 30 * time.Second
	// orders in ordersWindow are sent to an authority at most, however many names begin at once.
	orders       = 10
	ordersWindow = 10 * time.Second
)

// issuer orders certificates from one authority. It is certmagic's Issuer, which certmagic's own is not used for because that
// opens ports of its own to answer challenges: here that is for the gateway's listeners.
type issuer struct {
	spec     *Spec
	key      string // of the authority in the folder
	storage  *storage
	accounts *accounts
	solvers  map[string]acmez.Solver
	http     *http.Client
	limiter  *certmagic.RingBufferRateLimiter
	log      *slog.Logger
}

func newIssuer(spec *Spec, s *storage, challenges *Challenges, log *slog.Logger) (*issuer, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: answerLimit}).DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: answerLimit, ResponseHeaderTimeout: answerLimit, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
	}
	if spec.CARoot != "" {
		roots, err := loadRoots(spec.CARoot)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	i := &issuer{spec: spec, storage: s, http: &http.Client{Transport: transport, Timeout: answerLimit}, log: log,
		key: (&certmagic.ACMEIssuer{CA: spec.CA}).IssuerKey(), limiter: certmagic.NewRateLimiter(orders, ordersWindow), solvers: map[string]acmez.Solver{}}
	i.accounts = &accounts{storage: s, prefix: i.prefix(), email: spec.Email, eab: spec.EAB}
	answers := &solver{challenges: challenges, storage: s, prefix: i.prefix()}
	for _, c := range []Challenge{HTTP01, TLSALPN01} {
		if spec.Uses(c) {
			i.solvers[string(c)] = answers
		}
	}
	return i, nil
}

// prefix is where what concerns this authority lies in the folder.
func (i *issuer) prefix() string { return path.Join("acme", certmagic.StorageKeys.Safe(i.key)) }

// close lets go of what the issuer holds.
func (i *issuer) close() {
	i.limiter.Stop()
	i.http.CloseIdleConnections()
}

// IssuerKey tells authorities apart in the folder.
func (i *issuer) IssuerKey() string { return i.key }

// client makes what speaks the protocol. It is made for each use: it keeps nonces, which grow old.
func (i *issuer) client() *acmez.Client {
	return &acmez.Client{
		Client:           &rfc8555.Client{Directory: i.spec.CA, HTTPClient: i.http, UserAgent: "ringway", Logger: slog.New(lowered{i.log.Handler()})},
		ChallengeSolvers: i.solvers,
	}
}

// Issue orders a certificate and proves control of its name (RFC 8555 §7.4).
func (i *issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	ctx, cancel := context.WithTimeout(ctx, issueLimit)
	defer cancel()
	if err := i.limiter.Wait(ctx); err != nil {
		return nil, err
	}
	client := i.client()
	chains, err := i.order(ctx, client, csr)
	var problem rfc8555.Problem
	if errors.As(err, &problem) && problem.Type == rfc8555.ProblemTypeAccountDoesNotExist {
		i.log.Warn("the authority does not know the account any more, registering another one", "ca", i.spec.CA, "email", i.spec.Email)
		if err = i.accounts.forget(ctx); err == nil {
			chains, err = i.order(ctx, client, csr)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the authority gave no certificate")
	}
	chain := chains[0]
	if x := leafOf(chain.ChainPEM); x != nil && chain.RenewalInfo != nil {
		info := sensible(*chain.RenewalInfo, x)
		chain.RenewalInfo = &info
	}
	return &certmagic.IssuedCertificate{Certificate: chain.ChainPEM, Metadata: chain}, nil
}

// order sends one order, with the account that there is.
func (i *issuer) order(ctx context.Context, client *acmez.Client, csr *x509.CertificateRequest) ([]rfc8555.Certificate, error) {
	account, fresh, err := i.accounts.get(ctx, client)
	if err != nil {
		return nil, err
	}
	if fresh {
		i.log.Info("account registered with the authority, whose terms of service are agreed to", "ca", i.spec.CA, "account", account.Location, "email", i.spec.Email)
	}
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, err
	}
	params.Profile = i.spec.Profile
	params.Replaces = i.replaced(ctx, csr.DNSNames[0])
	chains, err := client.ObtainCertificate(ctx, params)
	if params.Replaces != nil && orderRefused(err) {
		params.Replaces = nil
		chains, err = client.ObtainCertificate(ctx, params)
	}
	return chains, err
}

// orderRefused reports whether an authority did not even look for proof of control. To name the certificate that is replaced may be
// why: some do not find it, or not any more.
func orderRefused(err error) bool {
	var problem rfc8555.Problem
	return errors.As(err, &problem) && problem.Resource == nil && problem.Type != rfc8555.ProblemTypeRateLimited &&
		problem.Type != rfc8555.ProblemTypeAccountDoesNotExist
}

// replaced is the certificate that an order is to replace (RFC 9773 §5), which spares it from limits of the authority; nil for none.
func (i *issuer) replaced(ctx context.Context, name string) *x509.Certificate {
	data, err := i.storage.Load(ctx, certmagic.StorageKeys.SiteCert(i.key, name))
	if err != nil {
		return nil
	}
	if x := leafOf(data); x != nil && len(x.AuthorityKeyId) > 0 && time.Now().Before(x.NotAfter) {
		return x
	}
	return nil
}

// leafOf is the first certificate in PEM; nil for none.
func leafOf(data []byte) *x509.Certificate {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return x
}

// GetRenewalInfo asks the authority when a certificate is best renewed (RFC 9773).
func (i *issuer) GetRenewalInfo(ctx context.Context, cert certmagic.Certificate) (rfc8555.RenewalInfo, error) {
	info, err := i.client().GetRenewalInfo(ctx, cert.Leaf)
	if err == nil {
		info = sensible(info, cert.Leaf)
	}
	return info, err
}

// sensible makes a window for the renewal one that can be gone by: authorities whose window is made for certificates of months say of
// those that live for minutes that any time will do, even the first or the last second. Then it is when a third of the life is left.
func sensible(info rfc8555.RenewalInfo, x *x509.Certificate) rfc8555.RenewalInfo {
	life := x.NotAfter.Sub(x.NotBefore)
	if w := &info.SuggestedWindow; w.End.Sub(w.Start) > life/2 {
		w.Start = x.NotAfter.Add(-life / 3)
		w.End = w.Start.Add(life / 10)
		info.SelectedTime = w.Start
	}
	return info
}

var (
	_ certmagic.Issuer            = (*issuer)(nil)
	_ certmagic.RenewalInfoGetter = (*issuer)(nil)
)

// lowered writes what the protocol's client says at the debug level: its errors come back to who called it.
type lowered struct{ slog.Handler }

// Enabled reports whether the debug level is written.
func (l lowered) Enabled(ctx context.Context, _ slog.Level) bool {
	return l.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle lowers a record.
func (l lowered) Handle(ctx context.Context, r slog.Record) error {
	r.Level, r.Message = slog.LevelDebug, "certificates: "+r.Message
	return l.Handler.Handle(ctx, r)
}

// WithAttrs keeps what comes after it lowered.
func (l lowered) WithAttrs(a []slog.Attr) slog.Handler { return lowered{l.Handler.WithAttrs(a)} }

// WithGroup keeps what comes after it lowered.
func (l lowered) WithGroup(name string) slog.Handler { return lowered{l.Handler.WithGroup(name)} }

// unreachable reports whether an error says that the authority was not reached, rather than that it said no.
func unreachable(err error) bool {
	var problem rfc8555.Problem
	return err != nil && !errors.As(err, &problem)
}

// reason is an error in words for operators.
func reason(err error) string {
	var problem rfc8555.Problem
	if !errors.As(err, &problem) {
		return err.Error()
	}
	text := fmt.Sprintf("the authority says: %s (%s)", problem.Detail, problem.Type)
	for _, s := range problem.Subproblems {
		text += fmt.Sprintf("; %s: %s", s.Identifier.Value, s.Detail)
	}
	return text
}
