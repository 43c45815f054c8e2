package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// transcript is all that a Conn says to an input that comes in pieces of the given size: events, output, error. Data is joined.
type transcript struct {
	c      *Conn
	text   strings.Builder
	inData StreamID // whose data came last
}

func newTranscript(role Role, small bool) *transcript {
	cfg := DefaultConfig()
	if small {
		cfg.MaxConcurrentStreams, cfg.StreamWindow, cfg.MaxHeaderList, cfg.MaxHeaderBlock, cfg.MaxFields = 2, 50, 1<<10, 1<<10, 8
		cfg.HeaderTableSize, cfg.EncoderTableSize = 128, 0
		cfg.Control, cfg.Faults, cfg.Resets = Budget{20, 1}, Budget{10, 1}, Budget{2, 1}
	}
	pool := NewPool()
	pool.Poison = true
	p := &transcript{c: NewConn(role, &cfg, pool, 0)}
	if role == Client {
		for range 3 {
			_, _ = p.c.AppendRequest(&RequestHead{Method: []byte("GET"), Scheme: "http", Authority: []byte("a"), Path: []byte("/")}, nil, false)
		}
	}
	return p
}

func (p *transcript) feed(b []byte) bool {
	for {
		n, ev, err := p.c.Feed(b, 0)
		b = b[n:]
		if err != nil {
			p.text.WriteString("\n" + err.Error())
			return false
		}
		if ev == nil {
			if len(b) > 0 {
				panic("bytes are left")
			}
			return true
		}
		p.event(ev)
	}
}

// event notes an event and does what an application might.
func (p *transcript) event(ev *Event) {
	if ev.Kind == EventData {
		if p.inData != ev.Stream.ID() {
			fmt.Fprintf(&p.text, "\ndata %d: ", ev.Stream.ID())
		}
		p.inData = ev.Stream.ID()
		p.text.Write(ev.Data)
		if ev.EndStream {
			p.text.WriteString(" end")
		}
	} else {
		p.inData = 0
		p.text.WriteString("\n" + describeEvent(ev))
	}
	s := ev.Stream
	if s == nil {
		return
	}
	if ev.EndStream {
		p.c.Consumed(s, int(s.recv.held))
		if p.c.role == Server && s.State() != Closed {
			// The peer may take no field section as large as this; then there is no message for the data to be of.
			if p.c.AppendResponse(s, 200, fieldsOf([]string{"x", "y"}), false) == nil {
				_, _ = p.c.AppendData(s, zeros[:100], true)
			}
		}
	}
	if s.State() == Closed {
		p.c.Release(s)
	}
}

// FuzzServer and FuzzClient: the outcome never depends on how the input is cut; nothing panics, whatever comes; x/net reads
// everything that is answered.
func FuzzServer(f *testing.F) {
	for _, seed := range serverSeeds() {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, small bool) {
		compareSplits(t, Server, small, append([]byte(ClientPreface), b...))
	})
}

// FuzzClient is FuzzServer for the other end.
func FuzzClient(f *testing.F) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	seed := AppendSettings(nil, Setting{SettingMaxConcurrentStreams, 10})
	seed = HeadersFrame{Stream: 1, EndHeaders: true, Fragment: block.Bytes()}.Append(seed)
	seed = DataFrame{1, true, []byte("hello")}.Append(seed)
	seed = GoAwayFrame{Last: 1}.Append(ResetFrame{3, RefusedStream}.Append(seed))
	f.Add(seed, false)
	f.Add(seed, true)
	f.Fuzz(func(t *testing.T, b []byte, small bool) { compareSplits(t, Client, small, b) })
}

func compareSplits(t *testing.T, role Role, small bool, b []byte) {
	whole, split := newTranscript(role, small), newTranscript(role, small)
	whole.feed(b)
	for i := range b {
		if !split.feed(b[i : i+1 : i+1]) {
			break
		}
	}
	if whole.text.String() != split.text.String() {
		t.Fatalf("%x\nat once %s\nbyte by byte %s", b, whole.text.String(), split.text.String())
	}
	if out := whole.c.Pending(); !bytes.Equal(out, split.c.Pending()) {
		t.Fatalf("%x\nat once sends %x\nbyte by byte %x", b, out, split.c.Pending())
	}
	dec := hpack.NewDecoder(defaultTableSize, nil)
	describeFrames(t, dec, bytes.TrimPrefix(whole.c.Pending(), []byte(ClientPreface)))
	if r := whole.c.recv; r.left < 0 || r.held < 0 || r.left+r.held+r.consumed != r.size {
		t.Fatalf("%x: window %+v", b, r)
	}
}

func serverSeeds() [][]byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := func(list string) []byte {
		block.Reset()
		for p := pairs(list); len(p) > 0; p = p[2:] {
			_ = enc.WriteField(hpack.HeaderField{Name: p[0], Value: p[1]})
		}
		return bytes.Clone(block.Bytes())
	}
	settings := AppendSettingsAck(AppendSettings(nil, Setting{SettingInitialWindowSize, 10}, Setting{SettingHeaderTableSize, 0}))
	plain := HeadersFrame{Stream: 1, EndStream: true, EndHeaders: true, Fragment: fields(get)}.Append(settings)
	post := HeadersFrame{Stream: 3, EndHeaders: true, Fragment: fields(get + "|content-length=5|cookie=a|cookie=b|priority=u=1")}.Append(bytes.Clone(plain))
	padded := append(append(FrameHeader{1 + 3 + 2, FrameData, FlagPadded, 3}.Append(nil), 2), "abc\x00\x00"...)
	body := append(bytes.Clone(post), padded...)
	body = DataFrame{3, false, []byte("de")}.Append(body)
	body = HeadersFrame{Stream: 3, EndStream: true, EndHeaders: true, Fragment: fields("x-sum=1")}.Append(body)
	cut := fields(get + "|x-long=" + strings.Repeat("z", 50))
	continued := HeadersFrame{Stream: 5, EndStream: true, HasDependency: true, Fragment: cut[:7]}.Append(bytes.Clone(settings))
	continued = ContinuationFrame{5, true, cut[7:]}.Append(ContinuationFrame{5, false, nil}.Append(continued))
	control := WindowUpdateFrame{0, 5}.Append(PingFrame{}.Append(bytes.Clone(post)))
	control = ResetFrame{3, Cancel}.Append(WindowUpdateFrame{3, 1}.Append(control))
	control = GoAwayFrame{Last: 3, Debug: []byte("bye")}.Append(PriorityUpdateFrame{7, []byte("u=0, i")}.Append(control))
	control = PriorityFrame{9, StreamDependency{Parent: 1}}.Append(control)
	connect := HeadersFrame{Stream: 1, EndHeaders: true, Fragment: fields(":method=CONNECT|:protocol=websocket|:scheme=https|:authority=a|:path=/")}.Append(bytes.Clone(settings))
	small := HeadersFrame{Stream: 1, EndStream: true, EndHeaders: true, Fragment: fields(get)}.Append(AppendSettings(nil, Setting{SettingMaxHeaderListSize, 48}))
	return [][]byte{plain, body, continued, control, connect, small}
}
