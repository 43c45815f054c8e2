package keyless

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// ReadKeys reads the private keys of a PEM file. What else is in it is passed over.
func ReadKeys(path string) ([]crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []crypto.Signer
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		key, err := parseKey(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if key != nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: holds no private key in PEM", path)
	}
	return keys, nil
}

// ErrEncrypted refuses a key that Encrypted is about.
var ErrEncrypted = errors.New("the key is encrypted with a passphrase, which nobody could type here")

// Encrypted reports whether a block is a private key that takes a passphrase, in PKCS #8 or as OpenSSL wrote them before (RFC 1421 §4.6.1.3).
func Encrypted(b *pem.Block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != ""
}

// parseKey reads one block; nil if it is no key.
func parseKey(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	if Encrypted(b) {
		return nil, ErrEncrypted
	}
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if signer, ok := key.(crypto.Signer); ok {
		return signer, nil
	}
	return nil, errors.New("holds a key that cannot sign")
}
