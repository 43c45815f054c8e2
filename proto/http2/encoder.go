package http2

import (
	"unsafe"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/header"
)

// encoder writes field sections. The dynamic table is x/net's; what enters it is decided here, because every entry costs memory
// at both ends and, in x/net, two strings. A field enters when it is seen a second time: what never repeats (lengths,
// request IDs) costs nothing, what does is one byte from its third time on. Credentials and cookies never enter (RFC 7541
// §7.1.3): a connection to an upstream serves many clients, and one must not find out by the size of its request what
// another's held.
type encoder struct {
	hpack  *hpack.Encoder
	dst    []byte // what is being written; hpack writes here too
	recent *recent
	update bool // a change of the table's size must be written before anything else
	off    bool // there is no table
}

// recentFields is how many different fields are remembered: one for each bit of recent.used.
const recentFields = 32

// recent remembers fields: their hashes from the first time on, their strings once they have entered the table. When it is
// full, one goes that was not seen again since the hand last passed it, so that values which come once do not push out those
// that each message has. Every connection at rest has one, and few of its fields have entered: it has room for those only.
type recent struct {
	hashes  [recentFields]uint32
	places  [recentFields]uint8 // where in entered the strings of the field are, from one; 0: it had none yet
	entered []entered
	used    uint32 // bit per field: seen again since the hand passed
	hand    uint8
}

// entered is a field in the table; without a name it is none.
type entered struct{ name, value string }

// find is where a field of that hash is, or -1.
func (r *recent) find(hash uint32) int {
	for i, h := range r.hashes {
		if h == hash {
			return i
		}
	}
	return -1
}

// strings is where those of a field are, or will be once it enters.
func (r *recent) strings(field int) *entered {
	p := &r.places[field]
	if *p == 0 {
		r.entered = append(r.entered, entered{})
		*p = uint8(len(r.entered))
	}
	return &r.entered[*p-1]
}

// add remembers a hash, in the place of another.
func (r *recent) add(hash uint32) {
	for r.used>>r.hand&1 != 0 {
		r.used &^= 1 << r.hand
		r.hand = (r.hand + 1) % recentFields
	}
	r.hashes[r.hand] = hash
	if p := r.places[r.hand]; p > 0 {
		r.entered[p-1] = entered{}
	}
	r.hand = (r.hand + 1) % recentFields
}

// Write takes what hpack has encoded.
func (e *encoder) Write(p []byte) (int, error) {
	e.dst = append(e.dst, p...)
	return len(p), nil
}

// init bounds the table by limit. Before the peer has said otherwise it has size bytes.
func (e *encoder) init(size, limit int) {
	e.hpack = hpack.NewEncoder(e)
	e.hpack.SetMaxDynamicTableSizeLimit(uint32(limit))
	e.update = size != defaultTableSize // a smaller limit has lowered it
	e.off = size == 0
}

const defaultTableSize = 4096

// resize follows the peer's SETTINGS_HEADER_TABLE_SIZE, up to the limit of the Config.
func (e *encoder) resize(size uint32) {
	before := e.hpack.MaxDynamicTableSize()
	if size == before {
		return
	}
	e.hpack.SetMaxDynamicTableSize(size)
	e.update, e.off = true, e.hpack.MaxDynamicTableSize() == 0
}

// How a field is treated, by its ID. rarely have values that seldom repeat; secret must not be indexed by anybody (the
// never-indexed representation tells those behind us too).
const (
	rarely = 1<<header.ContentLength | 1<<header.ETag | 1<<header.Age | 1<<header.Location | 1<<header.Range | 1<<header.ContentRange |
		1<<header.IfModifiedSince | 1<<header.IfNoneMatch | 1<<header.XRequestID | 1<<header.Traceparent | 1<<header.XForwardedFor |
		1<<header.Forwarded | 1<<header.XRealIP
	secret = 1<<header.Authorization | 1<<header.ProxyAuthorization | 1<<header.Cookie | 1<<header.SetCookie
)

// static writes a field both of whose parts are constants of this program.
func (e *encoder) static(name, value string) {
	_ = e.hpack.WriteField(hpack.HeaderField{Name: name, Value: value}) // e.Write does not fail
	e.update = false
}

// field writes a field. The name must be in lower case already; both slices are only read.
func (e *encoder) field(id header.ID, name, value []byte) {
	switch {
	case e.update:
		// hpack writes the table's new size with the field that it writes, which therefore must be the first.
		e.static(string(name), string(value))
	case secret>>id&1 != 0:
		e.literal(id, 0x10, name, value)
	case e.off || rarely>>id&1 != 0:
		e.literal(id, 0, name, value)
	default:
		e.repeating(id, name, value)
	}
}

// repeating writes a field that may be worth a place in the table.
func (e *encoder) repeating(id header.ID, name, value []byte) {
	if e.recent == nil {
		e.recent = new(recent)
	}
	r := e.recent
	hash := fnv(fnv(2166136261, name), value) | 1 // 0 is no hash
	i := r.find(hash)
	if i < 0 {
		r.add(hash)
		e.literal(id, 0, name, value)
		return
	}
	r.used |= 1 << i
	f := r.strings(i)
	if f.name == "" {
		f.name, f.value = string(name), string(value)
	}
	if f.name != string(name) || f.value != string(value) {
		e.literal(id, 0, name, value) // another field of the same hash
		return
	}
	e.static(f.name, f.value)
}

func fnv(h uint32, b []byte) uint32 {
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// literal writes a literal that is not indexed (RFC 7541 §6.2.2, §6.2.3), which leaves the table as it is and therefore needs
// none of hpack.
func (e *encoder) literal(id header.ID, kind byte, name, value []byte) {
	if i := staticNames[id]; i > 0 {
		e.dst = appendInt(e.dst, kind, 4, i)
	} else {
		e.dst = append(e.dst, kind)
		e.dst = appendString(e.dst, name)
	}
	e.dst = appendString(e.dst, value)
}

// path writes :path, which seldom repeats unless it does in each request: then it enters the table as other fields do.
func (e *encoder) path(path []byte) {
	if string(path) == "/" {
		e.static(":path", "/")
		return
	}
	e.repeating(pathID, pathName, path)
}

// appendInt appends an integer with a prefix of n bits behind the bits of kind (RFC 7541 §5.1).
func appendInt(dst []byte, kind byte, n uint, v uint64) []byte {
	if limit := uint64(1)<<n - 1; v < limit {
		return append(dst, kind|byte(v))
	} else {
		dst, v = append(dst, kind|byte(limit)), v-limit
	}
	for ; v >= 0x80; v >>= 7 {
		dst = append(dst, byte(v)|0x80)
	}
	return append(dst, byte(v))
}

// appendString appends a string literal, in Huffman's code where that is shorter (RFC 7541 §5.2).
func appendString(dst, b []byte) []byte {
	s := unsafe.String(unsafe.SliceData(b), len(b)) // hpack only reads it, and keeps nothing
	if n := hpack.HuffmanEncodeLength(s); n < uint64(len(s)) {
		return hpack.AppendHuffmanString(appendInt(dst, 0x80, 7, n), s)
	}
	return append(appendInt(dst, 0, 7, uint64(len(b))), b...)
}

// pathID is the place of :path in staticNames.
const pathID = header.NumIDs

var pathName, authorityName, methodName, protocolName, schemeName = []byte(":path"), []byte(":authority"), []byte(":method"), []byte(":protocol"), []byte(":scheme")

// staticNames are the indexes of well-known names in HPACK's static table (RFC 7541 appendix A); 0 for those not in it.
var staticNames = [header.NumIDs + 1]uint64{
	pathID: 4, header.AcceptEncoding: 16, header.AcceptLanguage: 17, header.AcceptRanges: 18, header.Accept: 19,
	header.AccessControlAllowOrigin: 20, header.Age: 21, header.Allow: 22, header.Authorization: 23, header.CacheControl: 24,
	header.ContentDisposition: 25, header.ContentEncoding: 26, header.ContentLanguage: 27, header.ContentLength: 28,
	header.ContentLocation: 29, header.ContentRange: 30, header.ContentType: 31, header.Cookie: 32, header.Date: 33,
	header.ETag: 34, header.Expect: 35, header.Expires: 36, header.Host: 38, header.IfMatch: 39, header.IfModifiedSince: 40,
	header.IfNoneMatch: 41, header.IfRange: 42, header.IfUnmodifiedSince: 43, header.LastModified: 44, header.Location: 46,
	header.MaxForwards: 47, header.ProxyAuthenticate: 48, header.ProxyAuthorization: 49, header.Range: 50, header.Referer: 51,
	header.RetryAfter: 53, header.Server: 54, header.SetCookie: 55, header.StrictTransportSecurity: 56,
	header.TransferEncoding: 57, header.UserAgent: 58, header.Vary: 59, header.Via: 60, header.WWWAuthenticate: 61,
}
