package simtest

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/loop"
)

// read takes what the gateway sends, until its end or the connection's. What the framer refuses is a fault of the gateway's: resets
// and silence may cost the rest of the bytes, but never change them.
func (e *h2End) read() {
	defer e.lost()
	if e.server && !e.readPreface() {
		return
	}
	for first := true; ; first = false {
		e.c.SetReadTimeout(10 * time.Minute)
		f, err := e.fr.ReadFrame()
		var conn http2.ConnectionError
		var stream http2.StreamError
		switch {
		case errors.As(err, &conn), errors.As(err, &stream), errors.Is(err, http2.ErrFrameTooLarge):
			e.problem("the gateway's frames are wrong: %v, %v", err, e.fr.ErrorDetail())
			e.abort()
		case err == nil:
			if s, ok := f.(*http2.SettingsFrame); first && (!ok || s.IsAck()) {
				e.problem("the gateway's first frame is %v", f.Header())
			}
			e.take(f)
		}
		if err != nil || e.err != nil {
			return
		}
	}
}

func (e *h2End) problem(format string, args ...any) {
	if !e.rude {
		e.s.problem(format, args...)
	}
}

// readPreface reads what a client begins with.
func (e *h2End) readPreface() bool {
	e.c.SetReadTimeout(10 * time.Minute)
	got := make([]byte, len(http2.ClientPreface))
	if n, err := io.ReadFull(e.c, got); err != nil || string(got) != http2.ClientPreface {
		if !strings.HasPrefix(http2.ClientPreface, string(got[:n])) {
			e.problem("the gateway begins a connection of HTTP/2 with %q", got[:n])
		}
		return false
	}
	return true
}

// take acts on one frame.
func (e *h2End) take(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		e.takeSettings(f)
	case *http2.PingFrame:
		e.takePing(f)
	case *http2.WindowUpdateFrame:
		e.takeWindow(f)
	case *http2.GoAwayFrame:
		e.takeGoAway(f)
	case *http2.MetaHeadersFrame:
		e.takeFields(f)
	case *http2.DataFrame:
		if st := e.known(f); st != nil {
			st.takeData(f)
		}
	case *http2.RSTStreamFrame:
		if st := e.known(f); st != nil {
			st.takeReset(f.ErrCode)
		}
	case *http2.PushPromiseFrame:
		e.problem("the gateway promises a push")
	}
}

// known is the stream of a frame, which must have been opened.
func (e *h2End) known(f http2.Frame) *h2Stream {
	st := e.streams[f.Header().StreamID]
	if st == nil {
		e.problem("the gateway sends %v, and there was no such stream", f.Header())
	}
	return st
}

func (e *h2End) takeSettings(f *http2.SettingsFrame) {
	if f.IsAck() {
		if len(e.unacked) == 0 {
			e.problem("the gateway acknowledges settings that were not sent")
			return
		}
		shrinks := e.unacked[0]
		e.unacked = e.unacked[1:]
		e.allow(shrinks)
		return
	}
	_ = f.ForeachSetting(func(x http2.Setting) error {
		if err := x.Valid(); err != nil {
			e.problem("the gateway's settings have %v: %v", x, err)
		}
		switch x.ID {
		case http2.SettingInitialWindowSize:
			for _, st := range e.order {
				st.room += int64(x.Val) - e.firstRoom
			}
			e.firstRoom = int64(x.Val)
		case http2.SettingMaxFrameSize:
			e.frame = int(x.Val)
		case http2.SettingMaxConcurrentStreams:
			e.most = int(x.Val)
		case http2.SettingHeaderTableSize:
			e.fields.SetMaxDynamicTableSizeLimit(x.Val)
		case http2.SettingEnableConnectProtocol:
			e.tunnels = x.Val == 1
		case http2.SettingEnablePush:
			if x.Val != 0 {
				e.problem("the gateway wants pushes, or sends them")
			}
		}
		return nil
	})
	_ = e.fr.WriteSettingsAck()
	e.settled = true
	e.news.Broadcast()
}

func (e *h2End) takePing(f *http2.PingFrame) {
	if !f.IsAck() {
		_ = e.fr.WritePing(true, f.Data)
		e.news.Broadcast()
		return
	}
	if e.pongs++; binary.BigEndian.Uint64(f.Data[:]) != e.pongs || e.pongs > e.pings {
		e.problem("the gateway's answer %d to %d pings carries %x", e.pongs, e.pings, f.Data)
	} else if e.pongs == e.pings && e.onPong != nil {
		e.onPong()
	}
}

func (e *h2End) takeWindow(f *http2.WindowUpdateFrame) {
	room := &e.room
	if f.StreamID != 0 {
		st := e.known(f)
		if st == nil {
			return
		}
		room = &st.room
	}
	if *room += int64(f.Increment); *room > 1<<31-1 {
		e.problem("the gateway opens a window to %d bytes: %v", *room, f.Header())
	}
	e.news.Broadcast()
}

// takeGoAway acts on the end that the gateway announces: streams behind the last that it names have not been looked at.
func (e *h2End) takeGoAway(f *http2.GoAwayFrame) {
	late := f.ErrCode == http2.ErrCodeSettingsTimeout || string(f.DebugData()) == "a field section takes too long" // for how slow this end is
	if f.ErrCode != http2.ErrCodeNo && !(late && !e.s.calm) {
		e.problem("the gateway ends a connection with %v: %s", f.ErrCode, f.DebugData())
	}
	if f.LastStreamID > e.lastAllowed {
		e.problem("the gateway names stream %d as its last after %d", f.LastStreamID, e.lastAllowed)
	}
	if !e.server && !e.goneAway {
		e.s.told++
	}
	e.goneAway, e.lastAllowed = true, f.LastStreamID
	if !e.server {
		for _, st := range e.order {
			if st.id > f.LastStreamID {
				st.fail(errRefused)
			}
		}
	}
	e.news.Broadcast()
}

// connectionFields belong to a connection of HTTP/1.1 and must not be sent here (RFC 9113 §8.2.2).
var connectionFields = []string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}

func (e *h2End) takeFields(f *http2.MetaHeadersFrame) {
	for _, x := range f.RegularFields() {
		if slices.Contains(connectionFields, x.Name) || x.Name == "te" && x.Value != "trailers" {
			e.problem("the gateway sends %v on stream %d", x, f.StreamID)
		}
	}
	st := e.streams[f.StreamID]
	switch {
	case st != nil:
		st.takeFields(f)
	case !e.server:
		e.problem("the gateway answers on stream %d, which was not opened", f.StreamID)
	case f.StreamID%2 == 0 || f.StreamID <= e.last:
		e.problem("the gateway opens stream %d after %d", f.StreamID, e.last)
	default:
		e.opened(f)
	}
}

// opened begins to serve a stream that the gateway opens.
func (e *h2End) opened(f *http2.MetaHeadersFrame) {
	e.last = f.StreamID
	st := e.newStream(f.StreamID)
	st.head, st.ended = f, f.StreamEnded()
	if len(e.unacked) == 0 && e.open > e.streamsAt {
		e.problem("the gateway has %d streams at a time, and may have %d", e.open, e.streamsAt)
	}
	if e.refusing || e.leaving && f.StreamID > e.lastServed {
		if !e.leaving {
			st.reset(http2.ErrCodeRefusedStream)
		}
		st.fail(errGivenUp)
		return
	}
	e.s.peers.Go("stream", func(t *loop.Task) { e.serve(t, st) })
}
