package header

// ID is a well-known field name. Fields of other names carry [Other] and are found by comparing the name.
type ID uint8

// The well-known names. Their number stays at or below 64, so that a message's set of them fits one machine word.
const (
	Other ID = iota
	Host
	ContentLength
	TransferEncoding
	Connection
	KeepAlive
	ProxyConnection
	TE
	Trailer
	Upgrade
	Expect
	Via
	Forwarded
	XForwardedFor
	XForwardedProto
	XForwardedHost
	XRequestID
	Date
	Server
	ContentType
	ContentEncoding
	UserAgent
	Referer
	Accept
	AcceptEncoding
	Cookie
	SetCookie
	Authorization
	ProxyAuthenticate
	ProxyAuthorization
	Location
	CacheControl
	ETag
	LastModified
	ContentRange
	Range
	AcceptLanguage
	AcceptRanges
	AccessControlAllowOrigin
	Age
	Allow
	ContentDisposition
	ContentLanguage
	ContentLocation
	Expires
	HTTP2Settings
	IfMatch
	IfModifiedSince
	IfNoneMatch
	IfRange
	IfUnmodifiedSince
	MaxForwards
	Origin
	Pragma
	Priority
	RetryAfter
	StrictTransportSecurity
	Traceparent
	Vary
	WWWAuthenticate
	XForwardedPort
	XRealIP

	// NumIDs is the number of IDs, Other included.
	NumIDs
)

// names holds the canonical spelling of every ID.
var names = [NumIDs]string{
	Other:                    "",
	Host:                     "Host",
	ContentLength:            "Content-Length",
	TransferEncoding:         "Transfer-Encoding",
	Connection:               "Connection",
	KeepAlive:                "Keep-Alive",
	ProxyConnection:          "Proxy-Connection",
	TE:                       "TE",
	Trailer:                  "Trailer",
	Upgrade:                  "Upgrade",
	Expect:                   "Expect",
	Via:                      "Via",
	Forwarded:                "Forwarded",
	XForwardedFor:            "X-Forwarded-For",
	XForwardedProto:          "X-Forwarded-Proto",
	XForwardedHost:           "X-Forwarded-Host",
	XRequestID:               "X-Request-Id",
	Date:                     "Date",
	Server:                   "Server",
	ContentType:              "Content-Type",
	ContentEncoding:          "Content-Encoding",
	UserAgent:                "User-Agent",
	Referer:                  "Referer",
	Accept:                   "Accept",
	AcceptEncoding:           "Accept-Encoding",
	Cookie:                   "Cookie",
	SetCookie:                "Set-Cookie",
	Authorization:            "Authorization",
	ProxyAuthenticate:        "Proxy-Authenticate",
	ProxyAuthorization:       "Proxy-Authorization",
	Location:                 "Location",
	CacheControl:             "Cache-Control",
	ETag:                     "ETag",
	LastModified:             "Last-Modified",
	ContentRange:             "Content-Range",
	Range:                    "Range",
	AcceptLanguage:           "Accept-Language",
	AcceptRanges:             "Accept-Ranges",
	AccessControlAllowOrigin: "Access-Control-Allow-Origin",
	Age:                      "Age",
	Allow:                    "Allow",
	ContentDisposition:       "Content-Disposition",
	ContentLanguage:          "Content-Language",
	ContentLocation:          "Content-Location",
	Expires:                  "Expires",
	HTTP2Settings:            "HTTP2-Settings",
	IfMatch:                  "If-Match",
	IfModifiedSince:          "If-Modified-Since",
	IfNoneMatch:              "If-None-Match",
	IfRange:                  "If-Range",
	IfUnmodifiedSince:        "If-Unmodified-Since",
	MaxForwards:              "Max-Forwards",
	Origin:                   "Origin",
	Pragma:                   "Pragma",
	Priority:                 "Priority",
	RetryAfter:               "Retry-After",
	StrictTransportSecurity:  "Strict-Transport-Security",
	Traceparent:              "traceparent",
	Vary:                     "Vary",
	WWWAuthenticate:          "WWW-Authenticate",
	XForwardedPort:           "X-Forwarded-Port",
	XRealIP:                  "X-Real-IP",
}

// String returns the canonical spelling of the name, and "" for Other.
func (id ID) String() string {
	if id >= NumIDs {
		return ""
	}
	return names[id]
}
