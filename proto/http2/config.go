package http2

import (
	"fmt"
	"time"
)

// Config is what an endpoint offers and what it lets a peer cost it. It is shared by connections and not changed after the
// first of them. DefaultConfig gives sound values; others must pass Validate before a connection is made with them.
type Config struct {
	// MaxConcurrentStreams is how many streams the peer may have open. A stream counts until the application has released
	// it, not until the peer has reset it: that is what makes rapid reset (CVE-2023-44487) and its kin harmless.
	MaxConcurrentStreams int
	// StreamWindow and ConnectionWindow are how many bytes of bodies may be on their way, or received and not consumed, for
	// one stream and for all of them. ConnectionWindow bounds what a peer can make a connection hold.
	StreamWindow, ConnectionWindow int
	// MaxFrameSize is the largest payload that is taken, in bytes.
	MaxFrameSize int
	// HeaderTableSize bounds the peer's HPACK table held here, EncoderTableSize the one used for sending, in bytes.
	HeaderTableSize, EncoderTableSize int
	// MaxHeaderList is the largest field section, counted as RFC 9113 §10.5.1 does; MaxFields the most field lines. A message
	// beyond them is delivered marked as TooLarge. One that is bombFactor times as large ends the connection.
	MaxHeaderList, MaxFields int
	// MaxHeaderBlock is the largest field section as it is sent, compressed; MaxContinuations the most frames that it may
	// be continued in (the CONTINUATION floods, CVE-2024-27316 and others).
	MaxHeaderBlock, MaxContinuations int
	// ExtendedConnect offers RFC 8441 to clients.
	ExtendedConnect bool

	// Resets pays for the streams that the peer resets before they are complete (CVE-2023-44487).
	Resets Budget
	// Faults pays for the streams that we must reset because the peer made a mistake (made-you-reset, CVE-2025-8671), and for
	// messages that are too large.
	Faults Budget
	// Control pays for frames that bring nothing forward: SETTINGS, PING, PRIORITY, PRIORITY_UPDATE, WINDOW_UPDATE that does
	// not return what was sent, empty DATA and CONTINUATION, unknown types, whatever comes for closed streams and cannot have been on
	// its way when they ended (CVE-2019-9511 to 9518). What is sent and received in earnest earns it back, so that a busy connection may
	// use as many of them as it needs.
	Control Budget
	// MaxReplies is how many frames that answer the peer may wait to be sent.
	MaxReplies int

	// SettingsTimeout is how long the peer may take to acknowledge SETTINGS (RFC 9113 §6.5.3), and to answer the PING between
	// the two GOAWAY of a drain.
	SettingsTimeout time.Duration
	// HeaderTimeout is how long the peer may take to send one field section.
	HeaderTimeout time.Duration
	// StallTimeout is after how long EventStalled tells of a stream that has data to send and no window for it.
	StallTimeout time.Duration
}

// Budget bounds how often something may happen: Burst times at once, and PerSecond times a second in the long run.
type Budget struct{ Burst, PerSecond int }

// DefaultConfig returns the values that apply where the configuration names none.
func DefaultConfig() Config {
	return Config{
		MaxConcurrentStreams: 128,
		StreamWindow:         64 << 10,
		ConnectionWindow:     1 << 20,
		MaxFrameSize:         MinMaxFrameSize,
		HeaderTableSize:      4 << 10,
		EncoderTableSize:     4 << 10,
		MaxHeaderList:        32 << 10,
		MaxFields:            100,
		MaxHeaderBlock:       64 << 10,
		MaxContinuations:     16,
		ExtendedConnect:      true,
		Resets:               Budget{Burst: 200, PerSecond: 50},
		Faults:               Budget{Burst: 100, PerSecond: 10},
		Control:              Budget{Burst: 1000, PerSecond: 100},
		MaxReplies:           1000,
		SettingsTimeout:      10 * time.Second,
		HeaderTimeout:        10 * time.Second,
		StallTimeout:         30 * time.Second,
	}
}

// What the Config does not let one choose.
const (
	maxWindow     = 1<<31 - 1
	initialWindow = 1<<16 - 1
	// initialStreams is how many streams a client opens before it knows how many the server allows.
	initialStreams = 100
	// maxSettings bounds the parameters of one SETTINGS frame; ten are registered.
	maxSettings = 64
	// bombFactor is how far beyond MaxHeaderList a field section is no mistake any more.
	bombFactor = 4
	// maxEarlyPriorities is how many PRIORITY_UPDATE are kept for requests still to come (RFC 9218 §7.1).
	maxEarlyPriorities = 8
	// maxSendFrame is the largest payload that is sent, whatever the peer would take: what is sent next is decided anew
	// after each frame.
	maxSendFrame = MinMaxFrameSize
)

// Validate says which value cannot be.
func (c *Config) Validate() error {
	for _, v := range []struct {
		name             string
		value, low, high int
	}{
		{"max concurrent streams", c.MaxConcurrentStreams, 1, 1 << 20},
		{"stream window", c.StreamWindow, 1, maxWindow},
		{"connection window", c.ConnectionWindow, initialWindow, maxWindow},
		{"max frame size", c.MaxFrameSize, MinMaxFrameSize, MaxMaxFrameSize},
		{"header table size", c.HeaderTableSize, 0, 1 << 20},
		{"encoder table size", c.EncoderTableSize, 0, 1 << 20},
		{"max header list", c.MaxHeaderList, 1 << 10, 16 << 20},
		{"max fields", c.MaxFields, 8, 1 << 16},
		{"max header block", c.MaxHeaderBlock, 1 << 10, 16 << 20},
		{"max continuations", c.MaxContinuations, 1, 1 << 16},
		{"resets burst", c.Resets.Burst, 1, 1 << 20}, {"resets per second", c.Resets.PerSecond, 1, 1 << 20},
		{"faults burst", c.Faults.Burst, costOversize, 1 << 20}, {"faults per second", c.Faults.PerSecond, 1, 1 << 20},
		{"control burst", c.Control.Burst, costSettings, 1 << 20}, {"control per second", c.Control.PerSecond, 1, 1 << 20},
		{"max replies", c.MaxReplies, 1, 1 << 20},
		{"settings timeout", int(c.SettingsTimeout / time.Millisecond), 1, 1 << 30},
		{"header timeout", int(c.HeaderTimeout / time.Millisecond), 1, 1 << 30},
		{"stall timeout", int(c.StallTimeout / time.Millisecond), 1, 1 << 30},
	} {
		if v.value < v.low || v.value > v.high {
			return fmt.Errorf("http2: %s is %d, not from %d to %d", v.name, v.value, v.low, v.high)
		}
	}
	return nil
}

// settings are what the Config tells the peer, as far as it differs from what holds anyway.
func (c *Config) settings(r Role) []Setting {
	list := make([]Setting, 0, 8)
	add := func(id SettingID, value, initial int) {
		if value != initial {
			list = append(list, Setting{id, uint32(value)})
		}
	}
	add(SettingHeaderTableSize, c.HeaderTableSize, 4096)
	if r == Client {
		add(SettingEnablePush, 0, 1)
	} else {
		add(SettingMaxConcurrentStreams, c.MaxConcurrentStreams, -1)
		if c.ExtendedConnect {
			add(SettingEnableConnectProtocol, 1, 0)
		}
	}
	add(SettingInitialWindowSize, c.StreamWindow, initialWindow)
	add(SettingMaxFrameSize, c.MaxFrameSize, MinMaxFrameSize)
	add(SettingMaxHeaderListSize, c.MaxHeaderList, -1)
	add(SettingNoRFC7540Priorities, 1, 0)
	return list
}
