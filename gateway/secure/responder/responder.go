// Package responder asks OCSP responders whether certificates are good (RFC 6960). What an answer is worth is for those to judge who
// ask: gateway/secure for certificates from files, and its acme for those of authorities. Nothing here runs on a loop.
//
// Start reading at Ask, which is all.
package responder

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	limit   = 10 * time.Second // of a question
	maxSize = 64 << 10         // of an answer, in bytes
)

// Ask asks the responder that the certificate names first, over HTTP (RFC 6960 appendix A), and gives what it answers, in DER. The
// certificate has to name one. It takes 10 s at most, and ends with ctx.
func Ask(ctx context.Context, leaf, issuer *x509.Certificate) ([]byte, error) {
	question, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, leaf.OCSPServer[0], bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the OCSP responder answers %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxSize))
}
