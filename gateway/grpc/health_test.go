package grpc

import "testing"

func TestHealth(t *testing.T) {
	if got := string(AppendHealthRequest(nil, "a.B")); got != "\x00\x00\x00\x00\x05\x0a\x03a.B" {
		t.Errorf("%q", got)
	}
	if got := string(AppendHealthRequest([]byte("x"), "")); got != "x\x00\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
	for body, want := range map[string]string{
		"\x00\x00\x00\x00\x02\x08\x01":                     "SERVING",
		"\x00\x00\x00\x00\x02\x08\x02":                     "NOT_SERVING",
		"\x00\x00\x00\x00\x02\x08\x03":                     "SERVICE_UNKNOWN",
		"\x00\x00\x00\x00\x02\x08\x09":                     "serving status 9",
		"\x00\x00\x00\x00\x00":                             "UNKNOWN",
		"\x00\x00\x00\x00\x06\x12\x02ab\x08\x01":           "SERVING",
		"\x00\x00\x00\x00\x07\x25abcd\x08\x01":             "SERVING",
		"\x00\x00\x00\x00\x0b\x21abcdefgh\x08\x01":         "SERVING",
		"\x01\x00\x00\x00\x02\x08\x01":                     "", // compressed
		"\x00\x00\x00\x00\x03\x08\x01":                     "",
		"\x00\x00\x00\x00\x01\x08":                         "",
		"\x00\x00\x00\x00\x03\x12\x02a":                    "",
		"\x00\x00\x00\x00\x01\x0b":                         "",
		"\x00\x00\x00\x00\x02\x00\x01":                     "",
		"\x00\x00\x00\x00\x02\x08\x01\x00\x00\x00\x00\x00": "",
		"": "",
	} {
		got, err := ParseHealthResponse([]byte(body))
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v; want %q", body, got, err, want)
		}
	}
}

func FuzzHealthResponse(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x06\x12\x02ab\x08\x01"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = ParseHealthResponse(b) })
}
