package tls

// Error says why the start of a connection was refused. Errors are package-level values: compare with errors.Is.
type Error struct {
	// Code names the condition for logs and metrics, such as "plain_http".
	Code string
	// Msg says it in words. It never holds bytes of the peer.
	Msg string
}

// Error returns the message and the code.
func (e *Error) Error() string { return "tls: " + e.Msg + " (" + e.Code + ")" }

// The conditions of a peer that does not speak TLS as we know it.
var (
	ErrNotTLS    = &Error{"not_tls", "the connection does not start with a TLS record"}
	ErrPlainHTTP = &Error{"plain_http", "the peer speaks HTTP without TLS"}
	ErrSSLv2     = &Error{"sslv2", "the peer starts with the handshake of SSL 2.0"}
)

// The conditions of the record layer and of joining fragments.
var (
	ErrUnexpectedRecord = &Error{"unexpected_record", "a TLS record of another type stands where the ClientHello is expected"}
	ErrRecordLength     = &Error{"bad_record_length", "a handshake record is empty or longer than 16 KiB"}
	ErrNotClientHello   = &Error{"not_client_hello", "the first handshake message is not a ClientHello"}
	ErrTooLarge         = &Error{"hello_too_large", "the ClientHello with its record headers is larger than the limit"}
	ErrExcessData       = &Error{"excess_data", "the last record of the ClientHello holds more than its end"}
)

// The conditions of the message.
var (
	ErrMalformed          = &Error{"malformed_hello", "a length or a fixed value in the ClientHello is wrong"}
	ErrVersion            = &Error{"bad_version", "the ClientHello's version is not one of SSL 3.0 or TLS"}
	ErrDuplicateExtension = &Error{"duplicate_extension", "the ClientHello has an extension twice"}
	ErrTooManyExtensions  = &Error{"too_many_extensions", "the ClientHello has more extensions than anybody knows"}
	ErrExtensionOrder     = &Error{"extension_order", "pre_shared_key is not the last extension"}
	ErrServerName         = &Error{"bad_server_name", "the server name is not exactly one host name"}
	ErrALPN               = &Error{"bad_alpn", "the list of application protocols is malformed"}
	ErrSupportedVersions  = &Error{"bad_supported_versions", "the list of supported versions is malformed"}
	ErrECH                = &Error{"bad_ech", "the extension encrypted_client_hello is malformed"}
)
