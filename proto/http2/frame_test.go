package http2

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	xhttp2 "golang.org/x/net/http2"
)

// frameCases are frames of every type with what x/net's Framer makes of them when it writes the same.
func frameCases() map[string]struct {
	ours  []byte
	write func(*xhttp2.Framer) error
} {
	type c = struct {
		ours  []byte
		write func(*xhttp2.Framer) error
	}
	fragment := []byte{0x82, 0x87}
	dep := StreamDependency{Parent: 5, Exclusive: true, Weight: 200}
	xdep := xhttp2.PriorityParam{StreamDep: 5, Exclusive: true, Weight: 200}
	return map[string]c{
		"DATA":            {DataFrame{3, false, []byte("body")}.Append(nil), func(f *xhttp2.Framer) error { return f.WriteData(3, false, []byte("body")) }},
		"DATA end, empty": {DataFrame{3, true, nil}.Append(nil), func(f *xhttp2.Framer) error { return f.WriteData(3, true, nil) }},
		"HEADERS": {HeadersFrame{Stream: 7, EndStream: true, EndHeaders: true, Fragment: fragment}.Append(nil), func(f *xhttp2.Framer) error {
			return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 7, EndStream: true, EndHeaders: true, BlockFragment: fragment})
		}},
		"HEADERS with a priority": {HeadersFrame{Stream: 7, HasDependency: true, Dependency: dep, Fragment: fragment}.Append(nil), func(f *xhttp2.Framer) error {
			return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 7, Priority: xdep, BlockFragment: fragment})
		}},
		"PRIORITY":   {PriorityFrame{9, dep}.Append(nil), func(f *xhttp2.Framer) error { return f.WritePriority(9, xdep) }},
		"RST_STREAM": {ResetFrame{9, Cancel}.Append(nil), func(f *xhttp2.Framer) error { return f.WriteRSTStream(9, xhttp2.ErrCodeCancel) }},
		"SETTINGS": {AppendSettings(nil, Setting{SettingMaxFrameSize, 1 << 15}, Setting{0xabcd, 7}), func(f *xhttp2.Framer) error {
			return f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize, Val: 1 << 15}, xhttp2.Setting{ID: 0xabcd, Val: 7})
		}},
		"SETTINGS ack": {AppendSettingsAck(nil), func(f *xhttp2.Framer) error { return f.WriteSettingsAck() }},
		"PUSH_PROMISE": {PushPromiseFrame{1, true, 2, fragment}.Append(nil), func(f *xhttp2.Framer) error {
			return f.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true, BlockFragment: fragment})
		}},
		"PING":            {PingFrame{true, [8]byte{1, 2, 3}}.Append(nil), func(f *xhttp2.Framer) error { return f.WritePing(true, [8]byte{1, 2, 3}) }},
		"GOAWAY":          {GoAwayFrame{11, EnhanceYourCalm, []byte("why")}.Append(nil), func(f *xhttp2.Framer) error { return f.WriteGoAway(11, xhttp2.ErrCodeEnhanceYourCalm, []byte("why")) }},
		"WINDOW_UPDATE":   {WindowUpdateFrame{0, 1<<31 - 1}.Append(nil), func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(0, 1<<31-1) }},
		"CONTINUATION":    {ContinuationFrame{7, true, fragment}.Append(nil), func(f *xhttp2.Framer) error { return f.WriteContinuation(7, true, fragment) }},
		"PRIORITY_UPDATE": {PriorityUpdateFrame{3, []byte("u=1")}.Append(nil), func(f *xhttp2.Framer) error { return f.WritePriorityUpdate(3, "u=1") }},
	}
}

// TestFramesAgainstFramer: what is written here is what x/net writes, byte for byte, and x/net reads it without complaint.
func TestFramesAgainstFramer(t *testing.T) {
	for name, c := range frameCases() {
		var theirs bytes.Buffer
		framer := xhttp2.NewFramer(&theirs, bytes.NewReader(c.ours))
		framer.AllowIllegalWrites, framer.AllowIllegalReads = true, true
		if err := c.write(framer); err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(c.ours, theirs.Bytes()) {
			t.Errorf("%s: %x, x/net writes %x", name, c.ours, theirs.Bytes())
		}
		if _, err := framer.ReadFrame(); err != nil {
			t.Errorf("%s: x/net does not read it: %v", name, err)
		}
		if got := rewrite(t, c.ours); !bytes.Equal(got, c.ours) {
			t.Errorf("%s: %x parsed and written again is %x", name, c.ours, got)
		}
	}
}

// rewrite parses one frame and appends it again. Padding and unused flags are lost.
func rewrite(t testing.TB, frame []byte) []byte {
	h := ParseFrameHeader(frame)
	again, err := reappend(h, frame[FrameHeaderLen:])
	if err != nil {
		t.Fatalf("%x: %v", frame, err)
	}
	return again
}

func reappend(h FrameHeader, p []byte) ([]byte, error) {
	switch h.Type {
	case FrameData:
		f, err := ParseData(h, p)
		return f.Append(nil), err
	case FrameHeaders:
		f, err := ParseHeaders(h, p)
		return f.Append(nil), err
	case FramePriority:
		f, err := ParsePriority(h, p)
		return f.Append(nil), err
	case FrameReset:
		f, err := ParseReset(h, p)
		return f.Append(nil), err
	case FramePushPromise:
		f, err := ParsePushPromise(h, p)
		return f.Append(nil), err
	case FramePing:
		f, err := ParsePing(h, p)
		return f.Append(nil), err
	case FrameGoAway:
		f, err := ParseGoAway(h, p)
		return f.Append(nil), err
	case FrameWindowUpdate:
		f, err := ParseWindowUpdate(h, p)
		return f.Append(nil), err
	case FrameContinuation:
		f, err := ParseContinuation(h, p)
		return f.Append(nil), err
	case FramePriorityUpdate:
		f, err := ParsePriorityUpdate(h, p)
		return f.Append(nil), err
	case FrameSettings:
		if err := checkSettingsHeader(h); err != nil || h.Flags.Has(FlagAck) {
			return AppendSettingsAck(nil), err
		}
		var list []Setting
		for ; len(p) > 0; p = p[settingLen:] {
			s, err := ParseSetting(p)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
		return AppendSettings(nil, list...), nil
	}
	return append(h.Append(nil), p...), nil
}

func TestFrameHeader(t *testing.T) {
	h := ParseFrameHeader([]byte{0xff, 0xff, 0xff, 0x01, 0x05, 0xff, 0xff, 0xff, 0xff})
	if want := (FrameHeader{MaxMaxFrameSize, FrameHeaders, FlagEndStream | FlagEndHeaders, maxStreamID}); h != want {
		t.Errorf("%+v: the reserved bit is to be ignored", h)
	}
	for ty, want := range map[FrameType]string{FrameData: "DATA", FramePriorityUpdate: "PRIORITY_UPDATE", 0x77: "0x77"} {
		if ty.String() != want {
			t.Errorf("%s for %s", ty, want)
		}
	}
	if HTTP11Required.String() != "HTTP_1_1_REQUIRED" || ErrCode(0xe).String() != "0xe" || Open.String() != "open" {
		t.Error("names of codes or states")
	}
}

// TestPadding: frames that x/net pads are read without their padding.
func TestPadding(t *testing.T) {
	var out bytes.Buffer
	framer := xhttp2.NewFramer(&out, nil)
	for _, pad := range []int{0, 1, 255} {
		out.Reset()
		_ = framer.WriteDataPadded(1, false, []byte("data"), make([]byte, pad))
		f, err := ParseData(ParseFrameHeader(out.Bytes()), out.Bytes()[FrameHeaderLen:])
		if err != nil || string(f.Data) != "data" {
			t.Errorf("padding of %d: %q, %v", pad, f.Data, err)
		}
		out.Reset()
		dep := xhttp2.PriorityParam{StreamDep: 9, Weight: 3}
		_ = framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("block"), PadLength: uint8(pad), Priority: dep})
		g, err := ParseHeaders(ParseFrameHeader(out.Bytes()), out.Bytes()[FrameHeaderLen:])
		if err != nil || string(g.Fragment) != "block" || g.Dependency != (StreamDependency{9, false, 3}) {
			t.Errorf("padding of %d: %+v, %v", pad, g, err)
		}
		out.Reset()
		_ = framer.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 4, BlockFragment: []byte("block"), PadLength: uint8(pad)})
		p, err := ParsePushPromise(ParseFrameHeader(out.Bytes()), out.Bytes()[FrameHeaderLen:])
		if err != nil || string(p.Fragment) != "block" || p.Promised != 4 {
			t.Errorf("padding of %d: %+v, %v", pad, p, err)
		}
	}
}

// TestFaultyFrames: the code and the reach of each fault that a frame alone can have (RFC 9113 §6).
func TestFaultyFrames(t *testing.T) {
	conn := func(code ErrCode) error { return ConnectionError{Code: code} }
	stream := func(code ErrCode) error { return StreamError{Code: code} }
	for _, c := range []struct {
		ty     FrameType
		flags  FrameFlags
		stream StreamID
		bytes  string
		want   error
	}{
		{FrameData, 0, 0, "x", conn(ProtocolError)},
		{FrameData, FlagPadded, 1, "", conn(FrameSizeError)},
		{FrameData, FlagPadded, 1, "\x01", conn(ProtocolError)},
		{FrameData, FlagPadded, 1, "\x02xx", nil},
		{FrameData, FlagPadded, 1, "\x03xx", conn(ProtocolError)},
		{FrameHeaders, 0, 0, "", conn(ProtocolError)},
		{FrameHeaders, FlagPriority, 1, "\x00\x00\x00\x00", conn(FrameSizeError)},
		{FrameHeaders, FlagPriority, 1, "\x00\x00\x00\x01\x00", stream(ProtocolError)},
		{FrameHeaders, FlagPriority | FlagPadded, 1, "\x01\x00\x00\x00\x00\x00", conn(ProtocolError)},
		{FramePriority, 0, 0, "\x00\x00\x00\x00\x00", conn(ProtocolError)},
		{FramePriority, 0, 1, "\x00\x00\x00\x00", stream(FrameSizeError)},
		{FramePriority, 0, 1, "\x80\x00\x00\x01\x00", stream(ProtocolError)},
		{FrameReset, 0, 0, "\x00\x00\x00\x00", conn(ProtocolError)},
		{FrameReset, 0, 1, "\x00\x00\x00", conn(FrameSizeError)},
		{FrameSettings, 0, 1, "", conn(ProtocolError)},
		{FrameSettings, 0, 0, "12345", conn(FrameSizeError)},
		{FrameSettings, FlagAck, 0, "123456", conn(FrameSizeError)},
		{FrameSettings, 0, 0, "\x00\x02\x00\x00\x00\x02", conn(ProtocolError)},
		{FrameSettings, 0, 0, "\x00\x04\x80\x00\x00\x00", conn(FlowControlError)},
		{FrameSettings, 0, 0, "\x00\x05\x00\x00\x3f\xff", conn(ProtocolError)},
		{FrameSettings, 0, 0, "\x00\x05\x01\x00\x00\x00", conn(ProtocolError)},
		{FrameSettings, 0, 0, "\x00\x08\x00\x00\x00\x02", conn(ProtocolError)},
		{FrameSettings, 0, 0, "\x00\x09\x00\x00\x00\x02", conn(ProtocolError)},
		{FramePushPromise, 0, 0, "\x00\x00\x00\x02", conn(ProtocolError)},
		{FramePushPromise, 0, 1, "\x00\x00\x00", conn(FrameSizeError)},
		{FramePushPromise, 0, 1, "\x00\x00\x00\x00", conn(ProtocolError)},
		{FramePing, 0, 1, "12345678", conn(ProtocolError)},
		{FramePing, 0, 0, "1234567", conn(FrameSizeError)},
		{FrameGoAway, 0, 1, "12345678", conn(ProtocolError)},
		{FrameGoAway, 0, 0, "1234567", conn(FrameSizeError)},
		{FrameWindowUpdate, 0, 1, "123", conn(FrameSizeError)},
		{FrameWindowUpdate, 0, 0, "\x80\x00\x00\x00", conn(ProtocolError)},
		{FrameWindowUpdate, 0, 1, "\x00\x00\x00\x00", stream(ProtocolError)},
		{FrameContinuation, 0, 0, "", conn(ProtocolError)},
		{FramePriorityUpdate, 0, 1, "\x00\x00\x00\x01", conn(ProtocolError)},
		{FramePriorityUpdate, 0, 0, "\x00\x00\x01", conn(FrameSizeError)},
		{FramePriorityUpdate, 0, 0, "\x80\x00\x00\x00", conn(ProtocolError)},
	} {
		_, err := reappend(FrameHeader{uint32(len(c.bytes)), c.ty, c.flags, c.stream}, []byte(c.bytes))
		if got := bare(err); got != bare(c.want) {
			t.Errorf("%s %b on %d, %x: %v, want %v", c.ty, c.flags, c.stream, c.bytes, err, c.want)
		}
	}
}

// bare is the reach and the code of an error, without its words.
func bare(err error) string {
	var c ConnectionError
	var s StreamError
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &c):
		return "connection " + c.Code.String()
	case errors.As(err, &s):
		return "stream " + s.Code.String()
	}
	return err.Error()
}

func TestHTTP2Settings(t *testing.T) {
	list := []Setting{{SettingMaxConcurrentStreams, 100}, {SettingInitialWindowSize, 1 << 20}, {0xff00, 1}}
	value := AppendHTTP2Settings(nil, list...)
	for _, padded := range []string{"", "=", "=="} {
		got, err := ParseHTTP2Settings(append(bytes.Clone(value), padded...))
		if err != nil || !reflect.DeepEqual(got, list) {
			t.Errorf("%s%s: %v, %v", value, padded, got, err)
		}
	}
	// curl's value, from RFC 7540's days.
	if got, err := ParseHTTP2Settings([]byte("AAMAAABkAAQCAAAAAAIAAAAA")); err != nil || len(got) != 3 || got[0] != (Setting{SettingMaxConcurrentStreams, 100}) {
		t.Errorf("curl's: %v, %v", got, err)
	}
	for _, bad := range []string{"A", "AAMA", "AAMAAABk ", "AAMAAABk+/+/", "AAIAAAAC", string(bytes.Repeat([]byte("A"), 1000))} {
		if got, err := ParseHTTP2Settings([]byte(bad)); err == nil {
			t.Errorf("%q was taken: %v", bad, got)
		}
	}
	if got, err := ParseHTTP2Settings(nil); err != nil || len(got) != 0 {
		t.Errorf("no settings: %v, %v", got, err)
	}
}

func TestMatchPreface(t *testing.T) {
	for i := range len(ClientPreface) + 1 {
		match, more := MatchPreface([]byte(ClientPreface)[:i])
		if match != (i == len(ClientPreface)) || more == match {
			t.Errorf("%d bytes: %v, %v", i, match, more)
		}
	}
	for _, s := range []string{"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSN", "P R"} {
		if match, more := MatchPreface([]byte(s)); match || more {
			t.Errorf("%q: %v, %v", s, match, more)
		}
	}
	if match, _ := MatchPreface([]byte(ClientPreface + "more")); !match {
		t.Error("bytes behind the preface")
	}
}

func TestConfig(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() != reflect.Int && f.Kind() != reflect.Int64 {
			continue
		}
		old := f.Int()
		f.SetInt(-1)
		if err := c.Validate(); err == nil {
			t.Errorf("%s may be -1", v.Type().Field(i).Name)
		}
		f.SetInt(old)
	}
	for _, b := range []*Budget{&c.Resets, &c.Faults, &c.Control} {
		old := *b
		*b = Budget{Burst: old.Burst}
		if err := c.Validate(); err == nil {
			t.Error("a budget that never fills")
		}
		*b = Budget{PerSecond: 1}
		if err := c.Validate(); err == nil {
			t.Error("a budget of nought")
		}
		*b = old
	}
}

func FuzzFrame(f *testing.F) {
	for _, c := range frameCases() {
		if len(c.ours) >= FrameHeaderLen {
			f.Add(c.ours)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < FrameHeaderLen {
			return
		}
		h := ParseFrameHeader(b)
		h.Length = uint32(len(b) - FrameHeaderLen)
		once, err := reappend(h, b[FrameHeaderLen:])
		if err != nil {
			return
		}
		twice, err := reappend(ParseFrameHeader(once), once[FrameHeaderLen:])
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x: %x, then %x, %v", b, once, twice, err)
		}
		// What we accept, x/net accepts too.
		framer := xhttp2.NewFramer(nil, bytes.NewReader(once))
		framer.AllowIllegalReads = true
		if _, err := framer.ReadFrame(); err != nil && h.Type != FramePriorityUpdate {
			t.Fatalf("%x: x/net says %v", once, err)
		}
	})
}
