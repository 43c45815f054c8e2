package icmp

// Error says why bytes are no message. Errors are package-level values: compare with errors.Is.
type Error struct {
	// Code names the condition for logs and metrics, such as "short".
	Code string
	// Msg says it in words. It never holds bytes of the peer.
	Msg string
}

// Error returns the message and the code.
func (e *Error) Error() string { return "icmp: " + e.Msg + " (" + e.Code + ")" }

// The conditions.
var (
	ErrShort   = &Error{"short", "the message ends before its header does"}
	ErrVersion = &Error{"bad_version", "the packet is not of the IP version that was expected"}
	ErrHeader  = &Error{"bad_header", "the IP header is longer than the packet, or shorter than a header can be"}
	ErrQuote   = &Error{"bad_quote", "the packet that the error quotes is not one that can be read"}
)
