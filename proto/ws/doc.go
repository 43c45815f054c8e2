// Package ws is what a gateway has to know of WebSocket's opening handshake (RFC 6455 §1.3, §4): the key and the answer to it, which
// HTTP/1.1 needs and HTTP/2 has no use for (RFC 8441 §5), so that one of the two has to be made up where a tunnel passes from one
// version to the other. The frames behind it are the two ends' own.
//
// gateway/inbound and gateway/outbound are the intended callers; anyone may import this package. It imports proto/header and the
// standard library only.
package ws
