package accesslog

import (
	"strconv"
	"time"

	"github.com/ringway/ringway/errs"
)

// formatter writes records as lines. It belongs to the writer.
type formatter struct {
	combined bool
	second   int64  // the second that stamp shows
	stamp    []byte // formatted once a second: it is a third of a line's cost
}

// append appends the line for v to dst.
func (f *formatter) append(dst []byte, v *view) []byte {
	if f.combined {
		return f.appendCombined(dst, v)
	}
	return f.appendJSON(dst, v)
}

// stampFor returns the time of second in layout.
func (f *formatter) stampFor(second int64, layout string, zone *time.Location) []byte {
	if second != f.second || len(f.stamp) == 0 {
		f.second = second
		f.stamp = time.Unix(second, 0).In(zone).AppendFormat(f.stamp[:0], layout)
	}
	return f.stamp
}

// appendJSON appends an object whose members are all there, except those that
// would be empty. Times are UTC; durations are whole microseconds.
func (f *formatter) appendJSON(dst []byte, v *view) []byte {
	second, ns := floorDiv(v.time, int64(time.Second))
	dst = append(dst, `{"time":"`...)
	dst = append(dst, f.stampFor(second, "2006-01-02T15:04:05", time.UTC)...)
	dst = appendMicros(dst, ns)
	dst = append(dst, 'Z', '"')
	if v.client.IsValid() {
		dst = append(dst, `,"client":"`...)
		dst = v.client.AppendTo(dst)
		dst = append(dst, '"')
	}
	dst = appendText(dst, `,"listener":`, v.text[textListener])
	dst = appendText(dst, `,"method":`, v.text[textMethod])
	dst = appendText(dst, `,"host":`, v.text[textHost])
	dst = appendText(dst, `,"path":`, v.text[textPath])
	dst = appendText(dst, `,"protocol":`, v.text[textProtocol])
	if v.status > 0 || len(v.text[textEnd]) == 0 {
		dst = appendNumber(dst, `,"status":`, uint64(v.status))
	}
	dst = appendNumber(dst, `,"bytes_in":`, v.bytesIn)
	dst = appendNumber(dst, `,"bytes_out":`, v.bytesOut)
	dst = appendNumber(dst, `,"duration_us":`, micros(v.duration))
	dst = appendText(dst, `,"request_id":`, v.text[textRequestID])
	dst = appendText(dst, `,"referer":`, v.text[textReferer])
	dst = appendText(dst, `,"user_agent":`, v.text[textUserAgent])
	dst = appendText(dst, `,"tls":`, v.text[textTLS])
	dst = appendText(dst, `,"client_subject":`, v.text[textSubject])
	dst = appendText(dst, `,"route":`, v.text[textRoute])
	dst = appendText(dst, `,"cluster":`, v.text[textCluster])
	if len(v.text[textUpstream]) > 0 {
		dst = appendText(dst, `,"upstream":`, v.text[textUpstream])
		dst = appendNumber(dst, `,"upstream_duration_us":`, micros(v.upstreamDuration))
	}
	if v.retries > 0 {
		dst = appendNumber(dst, `,"retries":`, uint64(v.retries))
	}
	dst = appendText(dst, `,"error":`, v.text[textCode])
	dst = appendText(dst, `,"end":`, v.text[textEnd])
	if v.truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	return append(dst, '}', '\n')
}

// appendText appends a string member, unless it is empty.
func appendText(dst []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return errs.AppendJSONString(append(dst, name...), value)
}

// appendNumber appends a number member.
func appendNumber(dst []byte, name string, value uint64) []byte {
	return strconv.AppendUint(append(dst, name...), value, 10)
}

// appendCombined appends
//
//	client - - [02/Jan/2006:15:04:05 -0700] "METHOD target PROTOCOL" status bytes "referer" "user agent"
//
// with "-" for what is not there, in the machine's time zone, as tools for
// this format expect.
func (f *formatter) appendCombined(dst []byte, v *view) []byte {
	if v.client.IsValid() {
		dst = v.client.Addr().AppendTo(dst)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, ` - - [`...)
	second, _ := floorDiv(v.time, int64(time.Second))
	dst = append(dst, f.stampFor(second, "02/Jan/2006:15:04:05 -0700", time.Local)...)
	dst = append(dst, `] "`...)
	if len(v.text[textMethod]) == 0 {
		dst = append(dst, '-') // the request line could not be read
	} else {
		dst = append(appendQuotable(dst, v.text[textMethod]), ' ')
		dst = append(appendQuotable(dst, v.text[textPath]), ' ')
		dst = appendQuotable(dst, v.text[textProtocol])
	}
	dst = append(dst, `" `...)
	dst = strconv.AppendUint(dst, uint64(v.status), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, v.bytesOut, 10)
	dst = append(dst, ` "`...)
	dst = appendOrDash(dst, v.text[textReferer])
	dst = append(dst, `" "`...)
	dst = appendOrDash(dst, v.text[textUserAgent])
	return append(dst, '"', '\n')
}

// appendOrDash appends s for use between quotes, "-" if it is empty.
func appendOrDash(dst, s []byte) []byte {
	if len(s) == 0 {
		return append(dst, '-')
	}
	return appendQuotable(dst, s)
}

const hexUpper = "0123456789ABCDEF"

// appendQuotable appends s with every byte that could end the quotes or the
// line, or that is not ASCII, as \xHH: nginx's escaping.
func appendQuotable(dst, s []byte) []byte {
	start := 0
	for i, c := range s {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, '\\', 'x', hexUpper[c>>4], hexUpper[c&0xf])
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// appendMicros appends the fraction of a second as a point and six digits.
func appendMicros(dst []byte, ns int64) []byte {
	us := ns / 1000
	dst = append(dst, '.')
	for div := int64(100_000); div > 0; div /= 10 {
		dst = append(dst, byte('0'+us/div%10))
	}
	return dst
}

// micros returns ns in whole microseconds. Clocks that were set back between
// two readings do not make it negative.
func micros(ns int64) uint64 { return uint64(max(ns, 0)) / 1000 }

// floorDiv divides so that the rest is never negative, for times before 1970.
func floorDiv(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}
