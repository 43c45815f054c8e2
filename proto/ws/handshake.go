package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"github.com/ringway/ringway/proto/header"
)

// The fields of the handshake that only HTTP/1.1 has.
const (
	KeyField    = "Sec-WebSocket-Key"
	AcceptField = "Sec-WebSocket-Accept"
)

// AcceptLen is the length of an answer, KeyLen that of a key: 20 and 16 bytes in base64.
const (
	AcceptLen = 28
	KeyLen    = 24
)

// guid is what an answer is made with, so that nobody gives it who does not mean WebSocket (RFC 6455 §1.3).
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Is reports whether a protocol of an Upgrade field, or the :protocol of an extended CONNECT, is WebSocket. Its case does not matter
// (RFC 6455 §4.2.1).
func Is(protocol []byte) bool { return header.EqualFold(protocol, "websocket") }

// AppendKey appends a key of 16 bytes that are to be random: it is no secret, only different each time.
func AppendKey(dst []byte, high, low uint64) []byte {
	var nonce [16]byte
	binary.BigEndian.PutUint64(nonce[:8], high)
	binary.BigEndian.PutUint64(nonce[8:], low)
	return base64.StdEncoding.AppendEncode(dst, nonce[:])
}

// AppendAccept appends the answer to a key as it stands in its field, whether it is a good key or not: judging it is for the server
// (RFC 6455 §4.2.2).
func AppendAccept(dst, key []byte) []byte {
	h := sha1.New()
	_, _ = h.Write(key)
	_, _ = h.Write([]byte(guid))
	var sum [sha1.Size]byte
	return base64.StdEncoding.AppendEncode(dst, h.Sum(sum[:0]))
}
