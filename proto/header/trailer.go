package header

// TrailerRule says which fields may stand behind a body (RFC 9110 §6.5.1). Both codecs keep it, so that a trailer passes or does not
// whichever version it comes by. What it holds back is not part of the message.
type TrailerRule uint8

const (
	// Restricted is the rule for requests, and for responses that are not of gRPC. A recipient may take trailers for fields of the head,
	// which was checked and filtered before they came. So those for framing, routing, request modification, authentication, response
	// control and content handling are held back. Nearly all well-known fields are among them; of these only the ones pass whose
	// definition allows it (§8.8.3, §14.3). Of others, Content-* is held back but for the digest of RFC 9530, which is made for
	// trailers, and so is X-Forwarded-*, which tells a client's identity.
	Restricted TrailerRule = iota
	// Metadata is the rule for responses of gRPC. Its clients do take trailers for what they are: the status, and metadata whose names
	// an application chooses. When there is no message they stand in the head, where all end-to-end fields pass. So only fields of
	// framing and of the connection are held back.
	Metadata
)

// notMetadata are the fields that Metadata holds back.
const notMetadata = 1<<Host | 1<<ContentLength | 1<<TransferEncoding | 1<<Trailer | 1<<Connection | 1<<ProxyConnection | 1<<KeepAlive |
	1<<TE | 1<<Upgrade | 1<<HTTP2Settings

// Allows reports whether a field may be a trailer.
func (r TrailerRule) Allows(id ID, name []byte) bool {
	if r == Metadata {
		return notMetadata>>id&1 == 0
	}
	switch id {
	case ETag, AcceptRanges:
		return true
	case Other:
		return EqualFold(name, "content-digest") || !hasPrefix(name, "content-") && !hasPrefix(name, "x-forwarded-")
	}
	return false
}

func hasPrefix(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && EqualFold(name[:len(prefix)], prefix)
}

// GRPCType is the media type of gRPC; +proto or the like may follow.
const GRPCType = "application/grpc"

// GRPC reports whether a message with this head is of gRPC, by its media type. Those of gRPC-Web are others.
func (f *Fields) GRPC() bool {
	v, _ := f.Get(ContentType)
	return hasPrefix(v, GRPCType) && (len(v) == len(GRPCType) || v[len(GRPCType)] == '+' || v[len(GRPCType)] == ';')
}

// TrailerRule is the rule for the trailers of a response with this head.
func (f *Fields) TrailerRule() TrailerRule {
	if f.GRPC() {
		return Metadata
	}
	return Restricted
}
