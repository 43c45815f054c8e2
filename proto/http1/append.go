package http1

import (
	"strconv"

	"github.com/ringway/ringway/proto/header"
)

// AppendRequestLine appends a request line in origin-form, or in asterisk-form when path is "*". Messages are always sent as
// HTTP/1.1, whatever version came in (RFC 9110 §2.5).
func AppendRequestLine(dst, method, path, query []byte, hasQuery bool) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, path...)
	if hasQuery {
		dst = append(dst, '?')
		dst = append(dst, query...)
	}
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line. An empty reason stands for the standard one. Status must have three digits.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte {
	if status < 100 || status > 999 {
		panic("http1: status " + strconv.Itoa(status) + " has not three digits")
	}
	standard := Reason(status)
	if standard != "" && (len(reason) == 0 || string(reason) == standard) {
		return append(dst, statusLines[status-100]...)
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	dst = append(dst, reason...)
	return append(dst, "\r\n"...)
}

// AppendFields appends the live fields that are not hop-by-hop, in order, without the empty line. Runs of lines that are
// unchanged are copied at once.
func AppendFields(dst []byte, f *header.Fields) []byte {
	var run header.Span // of lines not yet copied
	var flags header.Flags
	for i := range f.Len() {
		field := f.Field(i)
		if field.Flags&(header.Removed|header.HopByHop) != 0 {
			continue
		}
		if field.Line.Start == run.End && field.Flags == flags && field.Line.End > field.Line.Start {
			run.End = field.Line.End
			continue
		}
		dst = append(dst, f.Bytes(flags, run)...)
		run, flags = field.Line, field.Flags
		if run.Len() == 0 {
			dst = append(dst, f.Bytes(flags, field.Name)...)
			dst = append(dst, ": "...)
			dst = append(dst, f.Bytes(flags, field.Value)...)
			dst = append(dst, "\r\n"...)
		}
	}
	return append(dst, f.Bytes(flags, run)...)
}

// AppendChunkHeader appends the size line of a chunk. The caller appends the data and CRLF. Size must be positive, since a
// chunk of size zero is the last one.
func AppendChunkHeader(dst []byte, size int) []byte {
	if size <= 0 {
		panic("http1: a chunk of " + strconv.Itoa(size) + " bytes")
	}
	dst = strconv.AppendUint(dst, uint64(size), 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the last chunk, the trailer section and the final CRLF. Trailers may be nil.
func AppendLastChunk(dst []byte, trailers *header.Fields) []byte {
	dst = append(dst, "0\r\n"...)
	if trailers != nil {
		dst = AppendFields(dst, trailers)
	}
	return append(dst, "\r\n"...)
}

// Reason returns the standard reason phrase of a status, and "" when there is none.
func Reason(status int) string {
	if status < 100 || status >= 100+len(reasons) {
		return ""
	}
	return reasons[status-100]
}

// statusLines holds the complete line of each status that has a standard reason.
var statusLines = buildStatusLines()

func buildStatusLines() (lines [len(reasons)]string) {
	for i, reason := range reasons {
		if reason != "" {
			lines[i] = "HTTP/1.1 " + strconv.Itoa(100+i) + " " + reason + "\r\n"
		}
	}
	return lines
}

// reasons holds the reason phrases of the IANA registry, by status less 100.
var reasons = [412]string{
	0: "Continue", 1: "Switching Protocols", 2: "Processing", 3: "Early Hints",

	100: "OK", 101: "Created", 102: "Accepted", 103: "Non-Authoritative Information", 104: "No Content",
	105: "Reset Content", 106: "Partial Content", 107: "Multi-Status", 108: "Already Reported", 126: "IM Used",

	200: "Multiple Choices", 201: "Moved Permanently", 202: "Found", 203: "See Other", 204: "Not Modified",
	205: "Use Proxy", 207: "Temporary Redirect", 208: "Permanent Redirect",

	300: "Bad Request", 301: "Unauthorized", 302: "Payment Required", 303: "Forbidden", 304: "Not Found",
	305: "Method Not Allowed", 306: "Not Acceptable", 307: "Proxy Authentication Required", 308: "Request Timeout",
	309: "Conflict", 310: "Gone", 311: "Length Required", 312: "Precondition Failed", 313: "Content Too Large",
	314: "URI Too Long", 315: "Unsupported Media Type", 316: "Range Not Satisfiable", 317: "Expectation Failed",
	321: "Misdirected Request", 322: "Unprocessable Content", 323: "Locked", 324: "Failed Dependency", 325: "Too Early",
	326: "Upgrade Required", 328: "Precondition Required", 329: "Too Many Requests",
	331: "Request Header Fields Too Large", 351: "Unavailable For Legal Reasons",

	400: "Internal Server Error", 401: "Not Implemented", 402: "Bad Gateway", 403: "Service Unavailable",
	404: "Gateway Timeout", 405: "HTTP Version Not Supported", 406: "Variant Also Negotiates",
	407: "Insufficient Storage", 408: "Loop Detected", 410: "Not Extended", 411: "Network Authentication Required",
}
