package probe

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/ringway/ringway/proto/icmp"
)

// passes runs a filter as the kernel does.
func passes(t *testing.T, f icmp.Family, header bool, packet []byte) bool {
	t.Helper()
	raw, err := filter(f, header, testID, testNonce)
	if err != nil {
		t.Fatal(err)
	}
	code, all := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(code)
	if err != nil || !all {
		t.Fatal(err, all)
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// ipHeader is an IPv4 header of that many bytes, with a body.
func ipHeader(n int, protocol byte, body []byte) []byte {
	b := make([]byte, n)
	b[0] = 0x40 | byte(n/4)
	binary.BigEndian.PutUint16(b[2:], uint16(n+len(body)))
	b[9] = protocol
	return append(b, body...)
}

func ip6Header(next byte, body []byte) []byte {
	b := make([]byte, 40)
	b[0], b[6] = 0x60, next
	return append(b, body...)
}

func TestFilter(t *testing.T) {
	payload := Pattern{}.appendPayload(nil, testNonce, 3, 56)
	other := Pattern{}.appendPayload(nil, ^uint64(testNonce), 3, 56)
	for _, f := range []icmp.Family{icmp.V4, icmp.V6} {
		wrap, errorType := func(b []byte) []byte { return ipHeader(24, 1, b) }, uint8(icmp.TypeTimeExceededV4)
		quote := func(b []byte) []byte { return ipHeader(20, 1, b) }
		if f == icmp.V6 {
			wrap, errorType = func(b []byte) []byte { return b }, icmp.TypePacketTooBigV6
			quote = func(b []byte) []byte { return ip6Header(58, b) }
		}
		damaged := func(i int, b []byte) []byte { b[i] ^= 0x10; return b }
		request := icmp.AppendEchoRequest(nil, f, testID, 3, payload)
		for name, c := range map[string]struct {
			packet []byte
			want   bool
		}{
			"our reply":                        {icmp.AppendEchoReply(nil, f, testID, 3, payload), true},
			"another's reply":                  {icmp.AppendEchoReply(nil, f, testID+1, 3, other), false},
			"another's reply without payload":  {icmp.AppendEchoReply(nil, f, testID+1, 3, nil), false},
			"our reply, identifier damaged":    {damaged(4, icmp.AppendEchoReply(nil, f, testID, 3, payload)), true},
			"our reply, nonce's first half":    {damaged(8, icmp.AppendEchoReply(nil, f, testID, 3, payload)), true},
			"our reply, nonce's second half":   {damaged(12, icmp.AppendEchoReply(nil, f, testID, 3, payload)), true},
			"our own request":                  {request, false},
			"an error about ours":              {icmp.AppendError(nil, f, errorType, 0, 0, quote(request)), true},
			"an error about ours, eight bytes": {icmp.AppendError(nil, f, errorType, 0, 0, quote(request[:8])), true},
			"an error about another's":         {icmp.AppendError(nil, f, errorType, 0, 0, quote(icmp.AppendEchoRequest(nil, f, testID+1, 3, payload))), false},
			"an error about a reply":           {icmp.AppendError(nil, f, errorType, 0, 0, quote(icmp.AppendEchoReply(nil, f, testID, 3, payload))), false},
			"an error about UDP":               {icmp.AppendError(nil, icmp.V4, icmp.TypeUnreachableV4, 3, 0, ipHeader(20, 17, request)), false},
			"a cut error":                      {icmp.AppendError(nil, f, errorType, 0, 0, quote(request[:4])), false},
			"a router advertisement":           {[]byte{134, 0, 0, 0, 0x42, 0x42, 0, 0}, false},
			"nothing":                          {nil, false},
		} {
			if f == icmp.V6 && name == "an error about UDP" {
				continue // has extension headers for all the filter knows, so the program looks
			}
			if got := passes(t, f, f == icmp.V4, wrap(c.packet)); got != c.want {
				t.Errorf("%v: %s passes: %v", f, name, got)
			}
			if got := passes(t, f, false, c.packet); got != c.want {
				t.Errorf("%v without a header: %s passes: %v", f, name, got)
			}
		}
	}
	// A quoted header with options, and a quoted fragment header.
	request := icmp.AppendEchoRequest(nil, icmp.V4, testID, 3, payload)
	if !passes(t, icmp.V4, true, ipHeader(20, 1, icmp.AppendError(nil, icmp.V4, 11, 0, 0, ipHeader(60, 1, request)))) {
		t.Error("options hide our request")
	}
	if !passes(t, icmp.V6, false, icmp.AppendError(nil, icmp.V6, 3, 0, 0, ip6Header(44, append([]byte{58, 0, 0, 1, 0, 0, 0, 0}, request...)))) {
		t.Error("a fragment header hides our request")
	}
}
