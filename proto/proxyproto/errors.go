package proxyproto

// Error says why a header was refused or cannot be written. Errors are package-level values: compare with errors.Is.
type Error struct {
	// Code names the condition for logs and metrics, such as "bad_address".
	Code string
	// Msg says it in words. It never holds bytes of the peer.
	Msg string
}

// Error returns the message and the code.
func (e *Error) Error() string { return "proxyproto: " + e.Msg + " (" + e.Code + ")" }

// The conditions of both versions.
var (
	ErrNoHeader   = &Error{"no_header", "the connection does not start with a PROXY protocol header"}
	ErrBadAddress = &Error{"bad_address", "an address is malformed or not of the family that the header names"}
	ErrTooLong    = &Error{"header_too_long", "the header is longer than the limit"}
)

// The conditions of version 1.
var (
	ErrBadProtocol = &Error{"bad_protocol", "the protocol is none of TCP4, TCP6 and UNKNOWN followed by one space"}
	ErrBadPort     = &Error{"bad_port", "a port is not a decimal number up to 65535 without leading zeros"}
	ErrBadLineEnd  = &Error{"bad_line_end", "the line does not end with CRLF where it has to"}
)

// The conditions of version 2.
var (
	ErrBadVersion   = &Error{"bad_version", "the version after the binary signature is not 2"}
	ErrBadCommand   = &Error{"bad_command", "the command is neither LOCAL nor PROXY"}
	ErrBadFamily    = &Error{"bad_family", "address family and transport are not a combination that the protocol knows"}
	ErrBadLength    = &Error{"bad_length", "the header is too short for the addresses that it announces"}
	ErrBadTLV       = &Error{"bad_tlv", "a TLV is cut off or its value is not one of its type"}
	ErrDuplicateTLV = &Error{"duplicate_tlv", "a TLV that may be there once is there twice"}
	ErrBadChecksum  = &Error{"bad_checksum", "the CRC32C checksum is not that of the header"}
)
