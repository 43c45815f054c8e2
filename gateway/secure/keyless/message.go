package keyless

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
)

// A message is its length in four bytes, big endian, and then: for a request the version, the hash, flags, the key's ID
// and what is to be signed; for a response the status, and the signature or words about what went wrong.

const (
	version = 1
	flagPSS = 1

	lengthSize = 4
	headSize   = 3 + sha256.Size
	// MaxMessage bounds either message without its length. What is signed is a hash, or for Ed25519 some hundred bytes.
	MaxMessage = 4 << 10
)

// KeyID names a key by the SHA-256 of its public half (SubjectPublicKeyInfo, DER).
type KeyID [sha256.Size]byte

// IDOf is the ID of a key, by its public half.
func IDOf(key crypto.PublicKey) (KeyID, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return sha256.Sum256(der), err
}

// Status says what became of a request.
type Status uint8

// The statuses.
const (
	Signed     Status = iota
	UnknownKey        // the server has no such key
	BadRequest        // the request makes no sense
	Failed            // the key could not sign
)

// Errors of messages.
var (
	ErrMalformed = errors.New("keyless: malformed message")
	ErrTooLong   = errors.New("keyless: message longer than its bound")
	ErrHash      = errors.New("keyless: a hash that TLS does not sign with")
)

// hashes are those that TLS signs with; nothing is hashed for Ed25519.
var hashes = [...]crypto.Hash{0, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA1}

// Request asks for a signature.
type Request struct {
	Key    KeyID
	Hash   crypto.Hash
	PSS    bool   // RSA-PSS, with a salt as long as the hash
	Digest []byte // aliases what it was parsed from
}

// Options are the signer's options.
func (r *Request) Options() crypto.SignerOpts {
	if r.PSS {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: r.Hash}
	}
	return r.Hash
}

// Append appends the message.
func (r *Request) Append(dst []byte) ([]byte, error) {
	hash := -1
	for i, h := range hashes {
		if h == r.Hash {
			hash = i
		}
	}
	switch {
	case hash < 0:
		return dst, ErrHash
	case headSize+len(r.Digest) > MaxMessage:
		return dst, ErrTooLong
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(headSize+len(r.Digest)))
	flags := byte(0)
	if r.PSS {
		flags = flagPSS
	}
	dst = append(dst, version, byte(hash), flags)
	dst = append(dst, r.Key[:]...)
	return append(dst, r.Digest...), nil
}

// ParseRequest reads a message without its length.
func ParseRequest(b []byte) (r Request, err error) {
	if len(b) < headSize || b[0] != version || int(b[1]) >= len(hashes) || b[2] > flagPSS {
		return r, ErrMalformed
	}
	r.Hash, r.PSS = hashes[b[1]], b[2] == flagPSS
	copy(r.Key[:], b[3:])
	r.Digest = b[headSize:]
	if r.Hash != 0 && len(r.Digest) != r.Hash.Size() || r.Hash == 0 && (r.PSS || len(r.Digest) == 0) {
		return r, ErrMalformed
	}
	return r, nil
}

// Response answers a request.
type Response struct {
	Status Status
	Body   []byte // the signature, or words
}

// Append appends the message; words that are too long are cut.
func (r *Response) Append(dst []byte) []byte {
	body := r.Body[:min(len(r.Body), MaxMessage-1)]
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(body)))
	return append(append(dst, byte(r.Status)), body...)
}

// ParseResponse reads a message without its length. Its body aliases b.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 1 || Status(b[0]) > Failed {
		return Response{}, ErrMalformed
	}
	return Response{Status(b[0]), b[1:]}, nil
}

// cut gives the first message of b without its length, and how much of b it takes; 0 says that it is not all there.
func cut(b []byte) (msg []byte, n int, err error) {
	if len(b) < lengthSize {
		return nil, 0, nil
	}
	size := binary.BigEndian.Uint32(b)
	if size > MaxMessage {
		return nil, 0, ErrTooLong
	}
	n = lengthSize + int(size)
	if len(b) < n {
		return nil, 0, nil
	}
	return b[lengthSize:n], n, nil
}
