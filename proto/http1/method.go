package http1

// Method is a request method (RFC 9110 §9). Methods that are not known here are Other; their token tells them apart.
type Method uint8

// The methods that are known by name.
const (
	Other Method = iota
	GET
	HEAD
	POST
	PUT
	DELETE
	OPTIONS
	PATCH
	TRACE
	CONNECT
	numMethods
)

var methodNames = [numMethods]string{"", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"}

// MethodOf returns the method of a token. Methods are case-sensitive (RFC 9110 §9.1): "get" is Other.
func MethodOf(token []byte) Method {
	switch string(token) {
	case "GET":
		return GET
	case "HEAD":
		return HEAD
	case "POST":
		return POST
	case "PUT":
		return PUT
	case "DELETE":
		return DELETE
	case "OPTIONS":
		return OPTIONS
	case "PATCH":
		return PATCH
	case "TRACE":
		return TRACE
	case "CONNECT":
		return CONNECT
	}
	return Other
}

// String returns the method's token, and "" for Other.
func (m Method) String() string {
	if m >= numMethods {
		return ""
	}
	return methodNames[m]
}

// Safe tells whether the method asks for no change at the server (RFC 9110 §9.2.1).
func (m Method) Safe() bool {
	return m == GET || m == HEAD || m == OPTIONS || m == TRACE
}

// Idempotent tells whether sending the request twice has the effect of sending it once (RFC 9110 §9.2.2), so that it may be
// retried on another connection.
func (m Method) Idempotent() bool {
	return m.Safe() || m == PUT || m == DELETE
}
