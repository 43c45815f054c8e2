package errs

import (
	"errors"
	"strconv"
)

// ProblemType is the media type of what [AppendProblem] writes (RFC 9457 §3).
const ProblemType = "application/problem+json"

// typePrefix makes the "type" member: a name, not a page to fetch.
const typePrefix = "urn:ringway:error:"

// Problem is a problem document (RFC 9457): what a client is told about an
// error. Code and RequestID are extension members. Empty members are left
// out.
type Problem struct {
	Type      string // a URI that names the kind of problem
	Title     string // the code's title
	Status    int    // the HTTP status, repeated for whoever sees only the body
	Detail    string // what Public was given
	Code      string
	RequestID string
	Instance  string // a URI reference to this occurrence
}

// ProblemOf returns what a client may know of err: the code's properties and
// the outermost public detail. No message and no cause is ever in it. For a
// foreign error it is the problem of [Internal]. Type is left empty; Append
// derives it from Code.
func ProblemOf(err error, requestID string) Problem {
	k := kindIn(err)
	return Problem{
		Title:     k.title,
		Status:    k.status,
		Detail:    PublicDetail(err),
		Code:      string(k.code),
		RequestID: requestID,
	}
}

// PublicDetail returns the outermost detail in err that was made public.
func PublicDetail(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.public != "" {
			return e.public
		}
		err = e.cause
	}
	return ""
}

// AppendProblem appends the problem document for err to dst and returns the
// longer slice. It allocates nothing but dst's growth.
func AppendProblem(dst []byte, err error, requestID string) []byte {
	return ProblemOf(err, requestID).Append(dst)
}

// Append appends p as JSON to dst. An empty Type is written as the URI of
// Code.
func (p Problem) Append(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	switch {
	case p.Type != "":
		dst = AppendJSONString(dst, p.Type)
	case p.Code != "":
		dst = append(dst, '"')
		dst = append(dst, typePrefix...)
		dst = append(AppendJSONBody(dst, p.Code), '"')
	default:
		dst = append(dst, `"about:blank"`...)
	}
	dst = appendMember(dst, "title", p.Title)
	if p.Status != 0 {
		dst = append(dst, `,"status":`...)
		dst = strconv.AppendInt(dst, int64(p.Status), 10)
	}
	dst = appendMember(dst, "detail", p.Detail)
	dst = appendMember(dst, "code", p.Code)
	dst = appendMember(dst, "request_id", p.RequestID)
	dst = appendMember(dst, "instance", p.Instance)
	return append(dst, '}')
}

// appendMember appends a member whose name needs no escaping, unless empty.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return AppendJSONString(dst, value)
}
