package ws

import (
	"encoding/base64"
	"testing"
)

// The pairs are those of RFC 6455 §1.3 and of the example at Wikipedia's WebSocket page.
func TestAcceptOfKnownKeys(t *testing.T) {
	for key, want := range map[string]string{
		"dGhlIHNhbXBsZSBub25jZQ==": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"x3JJHMbDL1EzLkh9GBhXDw==": "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
	} {
		got := AppendAccept([]byte("before "), []byte(key))
		if string(got) != "before "+want {
			t.Errorf("%s is answered by %q, want %q", key, got, want)
		}
		if len(got) != len("before ")+AcceptLen || len(key) != KeyLen {
			t.Errorf("lengths: %d, %d", len(got), len(key))
		}
	}
}

func TestKeyIsSixteenBytes(t *testing.T) {
	const high, low = 0x0102030405060708, 0xf1f2f3f4f5f6f7f8
	key := AppendKey(nil, high, low)
	b, err := base64.StdEncoding.DecodeString(string(key))
	if err != nil || len(b) != 16 || b[0] != 1 || b[15] != 0xf8 || len(key) != KeyLen {
		t.Errorf("%q is %x, %v", key, b, err)
	}
	if other := AppendKey(nil, high, low+1); string(other) == string(key) {
		t.Error("two nonces make one key")
	}
}

func TestIs(t *testing.T) {
	for protocol, want := range map[string]bool{"websocket": true, "WebSocket": true, "websockets": false, "h2c": false, "": false, "websocket/13": false} {
		if Is([]byte(protocol)) != want {
			t.Errorf("%q: %v", protocol, !want)
		}
	}
}
