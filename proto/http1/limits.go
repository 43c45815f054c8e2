package http1

// Limits bounds what a peer can make a parser hold. Every bound must be positive; DefaultLimits gives sound ones.
type Limits struct {
	// MaxLine is the longest start line or field line in bytes, its CRLF included.
	MaxLine int
	// MaxHead is the largest head in bytes, from the first byte to the empty line's CRLF.
	MaxHead int
	// MaxFields is the largest number of field lines in a head.
	MaxFields int
	// MaxChunkLine is the longest chunk size line in bytes, its extensions included and its CRLF not.
	MaxChunkLine int
	// MaxTrailers is the largest number of field lines in a trailer section, dropped ones included.
	MaxTrailers int
	// MaxTrailerSize is the largest trailer section in bytes, its last CRLF included.
	MaxTrailerSize int
}

// DefaultLimits returns the limits that apply where the configuration names none.
func DefaultLimits() Limits {
	return Limits{
		MaxLine:        8 << 10,
		MaxHead:        32 << 10,
		MaxFields:      100,
		MaxChunkLine:   1 << 10,
		MaxTrailers:    32,
		MaxTrailerSize: 8 << 10,
	}
}

// maxConnectionOptions bounds the names that Connection may nominate, since each is compared with each field.
const maxConnectionOptions = 32
