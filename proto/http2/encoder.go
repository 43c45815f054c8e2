package http2

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/header"
)

// encoder writes field sections (RFC 7541). What enters the table is decided here, because every entry costs memory at both ends.
// A field enters when it is seen a second time: what never repeats (lengths, request IDs) costs nothing, what does is one byte from
// its third time on. Credentials and cookies never enter (RFC 7541 §7.1.3): a connection to an upstream serves many clients, and
// one must not find out by the size of its request what another's held.
type encoder struct {
	dst    []byte // what is being written
	recent *recent
	table  sentTable
}

// sentTable is the dynamic table that the peer's decoder has, as far as it must be known here: how large its entries are. Which
// fields they are is remembered with those that may come again.
type sentTable struct {
	sizes  []uint32 // of the entries, the oldest first; those before first are gone
	first  int
	added  uint64 // entries ever: the number of the newest
	size   uint32
	max    uint32
	limit  uint32 // of max
	least  uint32 // that max had since the peer was told
	told   uint32 // what the peer has been told of max
	update bool   // it must be told before anything else
}

// index is where the entry of a number is (RFC 7541 §2.3.3), 0 if it is not there any more.
func (t *sentTable) index(number uint64) uint64 {
	if number+uint64(len(t.sizes)-t.first) <= t.added {
		return 0
	}
	return staticEntries + 1 + t.added - number
}

// staticEntries is how many entries the static table has.
const staticEntries = 61

// add makes room for an entry and gives its number; the size must not be beyond max.
func (t *sentTable) add(size uint32) (number uint64) {
	t.shrink(t.max - size)
	if t.first > len(t.sizes)/2 {
		t.sizes = t.sizes[:copy(t.sizes, t.sizes[t.first:])]
		t.first = 0
	}
	t.sizes = append(t.sizes, size)
	t.size += size
	t.added++
	return t.added
}

// shrink lets the oldest entries go until no more than size bytes are left (RFC 7541 §4.3).
func (t *sentTable) shrink(size uint32) {
	for t.size > size {
		t.size -= t.sizes[t.first]
		t.first++
	}
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

// entered is a field that has entered the table; without a name it is none.
type entered struct {
	name, value string
	entry       uint64 // its number in the table, where it may not be any more
}

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

// init bounds the table by limit. Before the peer has said otherwise it has size bytes.
func (e *encoder) init(size, limit int) {
	e.table = sentTable{max: uint32(size), limit: uint32(limit), least: uint32(size), told: defaultTableSize, update: size != defaultTableSize}
}

const defaultTableSize = 4096

// resize follows the peer's SETTINGS_HEADER_TABLE_SIZE, up to the limit of the Config.
func (e *encoder) resize(size uint32) {
	t := &e.table
	if size = min(size, t.limit); size == t.max {
		return
	}
	t.max, t.least, t.update = size, min(size, t.least), true
	t.shrink(size)
}

// tell writes the table's new size, which the next field section begins with (RFC 7541 §4.2): the smallest that it had meanwhile, too.
func (e *encoder) tell() {
	t := &e.table
	if t.least < min(t.told, t.max) {
		e.dst = appendInt(e.dst, 0x20, 5, uint64(t.least))
	}
	e.dst = appendInt(e.dst, 0x20, 5, uint64(t.max))
	t.least, t.told, t.update = t.max, t.max, false
}

// How a field is treated, by its ID. rarely have values that seldom repeat; secret must not be indexed by anybody (the
// never-indexed representation tells those behind us too).
const (
	rarely = 1<<header.ContentLength | 1<<header.ETag | 1<<header.Age | 1<<header.Location | 1<<header.Range | 1<<header.ContentRange |
		1<<header.IfModifiedSince | 1<<header.IfNoneMatch | 1<<header.XRequestID | 1<<header.Traceparent | 1<<header.XForwardedFor |
		1<<header.Forwarded | 1<<header.XRealIP
	secret = 1<<header.Authorization | 1<<header.ProxyAuthorization | 1<<header.Cookie | 1<<header.SetCookie
)

// pseudo writes a pseudo-header field whose value is a constant of this program; id is one of those behind header.NumIDs.
func (e *encoder) pseudo(id header.ID, name []byte, value string) {
	if e.table.update {
		e.tell()
	}
	if i := staticField(id, value); i > 0 {
		e.dst = appendInt(e.dst, 0x80, 7, i)
		return
	}
	e.repeating(id, name, unsafe.Slice(unsafe.StringData(value), len(value))) // which only reads it
}

// staticField is the index of a field in HPACK's static table, 0 if it is none of those that matter.
func staticField(id header.ID, value string) uint64 {
	switch id {
	case statusID:
		for i, s := range [...]string{"200", "204", "206", "304", "400", "404", "500"} {
			if value == s {
				return 8 + uint64(i)
			}
		}
	case methodID:
		switch value {
		case "GET":
			return 2
		case "POST":
			return 3
		}
	case schemeID:
		switch value {
		case "http":
			return 6
		case "https":
			return 7
		}
	}
	return 0
}

// field writes a field. The name must be in lower case already; both slices are only read.
func (e *encoder) field(id header.ID, name, value []byte) {
	if e.table.update {
		e.tell()
	}
	switch {
	case secret>>id&1 != 0:
		e.literal(id, 0x10, name, value)
	case rarely>>id&1 != 0:
		e.literal(id, 0, name, value)
	default:
		e.repeating(id, name, value)
	}
}

// repeating writes a field that may be worth a place in the table.
func (e *encoder) repeating(id header.ID, name, value []byte) {
	if e.table.update {
		e.tell()
	}
	if e.table.max == 0 {
		e.literal(id, 0, name, value)
		return
	}
	if e.recent == nil {
		e.recent = new(recent)
	}
	r := e.recent
	h := fieldHash(id, name, value)
	i := r.find(h)
	if i < 0 {
		r.add(h)
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
	if index := e.table.index(f.entry); index > 0 {
		e.dst = appendInt(e.dst, 0x80, 7, index)
		return
	}
	f.entry = e.enter(id, name, value)
}

// enter writes a field that enters the table (RFC 7541 §6.2.1) and gives its number there, 0 if it is too large.
func (e *encoder) enter(id header.ID, name, value []byte) (number uint64) {
	size := uint64(len(name)) + uint64(len(value)) + entryOverhead
	if size > uint64(e.table.max) {
		e.literal(id, 0, name, value)
		return 0
	}
	if i := staticNames[id]; i > 0 {
		e.dst = appendInt(e.dst, 0x40, 6, i)
	} else {
		e.dst = appendString(append(e.dst, 0x40), name)
	}
	e.dst = appendString(e.dst, value)
	return e.table.add(uint32(size))
}

// entryOverhead is what an entry counts beyond its strings (RFC 7541 §4.1).
const entryOverhead = 32

// fieldHash is never 0, which is no field's.
func fieldHash(id header.ID, name, value []byte) uint32 {
	h := uint64(id)
	if id == header.Other {
		h = hash(uint64(len(name)), name)
	}
	return uint32(hash(h, value)>>32) | 1
}

// hash takes eight bytes at a time: dates and the like are long. Two fields that share one only cost bytes.
func hash(h uint64, b []byte) uint64 {
	const factor = 0x9E3779B97F4A7C15
	for ; len(b) >= 8; b = b[8:] {
		h = bits.RotateLeft64((h^binary.LittleEndian.Uint64(b))*factor, 29)
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * factor
	}
	return (h ^ h>>29) * factor
}

// literal writes a literal that is not indexed (RFC 7541 §6.2.2, §6.2.3), which leaves the table as it is.
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
		if e.table.update {
			e.tell()
		}
		e.dst = appendInt(e.dst, 0x80, 7, rootIndex)
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

// The places of pseudo-header fields in staticNames.
const (
	pathID = header.NumIDs + iota
	authorityID
	methodID
	schemeID
	statusID
	numFieldIDs
)

// rootIndex is the index of ":path: /" in HPACK's static table.
const rootIndex = 4

var (
	pathName, authorityName, methodName  = []byte(":path"), []byte(":authority"), []byte(":method")
	protocolName, schemeName, statusName = []byte(":protocol"), []byte(":scheme"), []byte(":status")
)

// staticNames are the indexes of well-known names in HPACK's static table (RFC 7541 appendix A); 0 for those not in it.
var staticNames = [numFieldIDs]uint64{
	pathID: 4, authorityID: 1, methodID: 2, schemeID: 6, statusID: 8, header.AcceptEncoding: 16, header.AcceptLanguage: 17, header.AcceptRanges: 18, header.Accept: 19,
	header.AccessControlAllowOrigin: 20, header.Age: 21, header.Allow: 22, header.Authorization: 23, header.CacheControl: 24,
	header.ContentDisposition: 25, header.ContentEncoding: 26, header.ContentLanguage: 27, header.ContentLength: 28,
	header.ContentLocation: 29, header.ContentRange: 30, header.ContentType: 31, header.Cookie: 32, header.Date: 33,
	header.ETag: 34, header.Expect: 35, header.Expires: 36, header.Host: 38, header.IfMatch: 39, header.IfModifiedSince: 40,
	header.IfNoneMatch: 41, header.IfRange: 42, header.IfUnmodifiedSince: 43, header.LastModified: 44, header.Location: 46,
	header.MaxForwards: 47, header.ProxyAuthenticate: 48, header.ProxyAuthorization: 49, header.Range: 50, header.Referer: 51,
	header.RetryAfter: 53, header.Server: 54, header.SetCookie: 55, header.StrictTransportSecurity: 56,
	header.TransferEncoding: 57, header.UserAgent: 58, header.Vary: 59, header.Via: 60, header.WWWAuthenticate: 61,
}
