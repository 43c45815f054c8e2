package http2

import "slices"

// receiveControl acts on the small frames. The payload is whole, but for GOAWAY and PRIORITY_UPDATE, of which it is the start.
func (c *Conn) receiveControl(h FrameHeader, payload []byte) error {
	switch h.Type {
	case FramePriority:
		if _, err := ParsePriority(h, payload); err != nil {
			return err
		}
		return c.control(costFrame)
	case FrameReset:
		f, err := ParseReset(h, payload)
		if err != nil {
			return err
		}
		return c.receiveReset(f)
	case FramePing:
		f, err := ParsePing(h, payload)
		if err != nil {
			return err
		}
		return c.receivePing(f)
	case FrameGoAway:
		f, err := ParseGoAway(h, payload)
		if err != nil {
			return err
		}
		return c.receiveGoAway(f)
	case FrameWindowUpdate:
		f, err := ParseWindowUpdate(h, payload)
		if err != nil {
			return c.faultyUpdate(err)
		}
		return c.receiveWindowUpdate(f)
	}
	return c.receivePriorityUpdate(h, payload)
}

// receiveReset closes a stream (RFC 9113 §6.4). Giving up a stream that is not complete is paid for.
func (c *Conn) receiveReset(f ResetFrame) error {
	s := c.streams.get(f.Stream)
	if s == nil {
		if c.idle(f.Stream) {
			return ConnectionError{ProtocolError, "RST_STREAM for a stream that is not open yet"}
		}
		return c.lateFrame()
	}
	c.endings.peers.add(s.id, maxPeerEndings)
	s.code = f.Code
	c.close(s)
	c.event = Event{Kind: EventReset, Stream: s, Code: f.Code}
	if c.role == Client {
		return nil // a server that refuses costs nothing but what was asked of it
	}
	return c.resetByPeer()
}

// receivePing answers, or tells of an answer (RFC 9113 §6.7).
func (c *Conn) receivePing(f PingFrame) error {
	if f.Ack {
		if c.pings == 0 {
			return c.control(costFrame)
		}
		c.pings--
		if c.draining == drainSaid && f.Data == drainPing {
			c.lastGoAway()
			return nil
		}
		c.event = Event{Kind: EventPingAck, Ping: f.Data}
		return nil
	}
	if err := c.control(costFrame); err != nil {
		return err
	}
	if err := c.reply(); err != nil {
		return err
	}
	f.Ack = true
	c.out = f.Append(c.output())
	return nil
}

// receiveGoAway notes that no new stream is of use (RFC 9113 §6.8). Those of ours that the peer has not looked at are closed,
// and told of by the next calls of Feed.
func (c *Conn) receiveGoAway(f GoAwayFrame) error {
	if f.Last > c.peerLast {
		return ConnectionError{ProtocolError, "GOAWAY takes its word back"}
	}
	if c.peerGone {
		if err := c.control(costFrame); err != nil {
			return err
		}
	}
	c.peerGone, c.peerLast = true, f.Last
	c.event = Event{Kind: EventGoAway, Code: f.Code, Last: f.Last, Data: f.Debug}
	if c.role == Server {
		return nil // it is about streams that we would push
	}
	c.streams.each(func(s *Stream) {
		if s.id > f.Last {
			c.endHere(s) // should it be processed after all, that is no harm
			s.code = RefusedStream
			c.close(s)
			s.due, c.due = c.due, s
		}
	})
	return nil
}

// faultyUpdate passes over what is wrong with a WINDOW_UPDATE for a stream that is closed anyway.
func (c *Conn) faultyUpdate(err error) error {
	if e, ok := err.(StreamError); ok && c.streams.get(e.Stream) == nil && !c.idle(e.Stream) {
		return c.control(costFrame)
	}
	return err
}

// receiveWindowUpdate raises a window (RFC 9113 §6.9).
func (c *Conn) receiveWindowUpdate(f WindowUpdateFrame) error {
	if !c.returns(f) {
		if err := c.control(costFrame); err != nil {
			return err
		}
	}
	if f.Stream == 0 {
		if !raise(&c.sendWindow, f.Increment) {
			return ConnectionError{FlowControlError, "the connection's window gets too large"}
		}
		c.event = Event{Kind: EventWindow}
		return nil
	}
	s := c.streams.get(f.Stream)
	if s == nil {
		if c.idle(f.Stream) {
			return ConnectionError{ProtocolError, "WINDOW_UPDATE for a stream that is not open yet"}
		}
		return nil
	}
	if !raise(&s.sendWindow, f.Increment) {
		return StreamError{s.id, FlowControlError, "the stream's window gets too large"}
	}
	c.schedule(s)
	c.event = Event{Kind: EventWindow, Stream: s}
	return nil
}

// returns tells whether a WINDOW_UPDATE gives back what was sent, and more than a tiny part: a receiver that was slow may return a
// whole window by small frames without getting any DATA meanwhile, which is no flood.
func (c *Conn) returns(f WindowUpdateFrame) bool {
	owed := &c.owed
	if f.Stream != 0 {
		owed = &c.streamsOwed
	}
	if f.Increment < tinyData || int64(f.Increment) > *owed {
		return false
	}
	*owed -= int64(f.Increment)
	return true
}

// earlyPriority is a PRIORITY_UPDATE for a request that has not come yet.
type earlyPriority struct {
	id       StreamID
	priority Priority
}

// receivePriorityUpdate changes a stream's priority, or keeps it for the request that it is for (RFC 9218 §7.1).
func (c *Conn) receivePriorityUpdate(h FrameHeader, payload []byte) error {
	if c.role == Client {
		return ConnectionError{ProtocolError, "PRIORITY_UPDATE from a server"}
	}
	f, err := ParsePriorityUpdate(h, payload)
	if err != nil {
		return err
	}
	if f.Prioritized&1 == 0 {
		return ConnectionError{ProtocolError, "PRIORITY_UPDATE for a stream that was not pushed"}
	}
	if err := c.control(costFrame); err != nil {
		return err
	}
	p, ok := ParsePriority9218(f.Value)
	if !ok || int(h.Length) > collectLen {
		return nil // what cannot be understood says nothing
	}
	if s := c.streams.get(f.Prioritized); s != nil {
		c.SetPriority(s, p)
		c.event = Event{Kind: EventPriority, Stream: s}
		return nil
	}
	if !c.idle(f.Prioritized) {
		return nil
	}
	c.early = slices.DeleteFunc(c.early, func(e earlyPriority) bool { return e.id == f.Prioritized })
	if len(c.early) == maxEarlyPriorities {
		c.early = slices.Delete(c.early, 0, 1)
	}
	c.early = append(c.early, earlyPriority{f.Prioritized, p})
	return nil
}

// earlyPriorityOf gives a new stream the priority that came before it, and drops those for streams that will never come.
func (c *Conn) earlyPriorityOf(s *Stream) {
	if len(c.early) == 0 {
		return
	}
	for _, e := range c.early {
		if e.id == s.id {
			s.priority = e.priority
		}
	}
	c.early = slices.DeleteFunc(c.early, func(e earlyPriority) bool { return e.id <= s.id })
}

// startSettings checks a SETTINGS frame and takes an acknowledgement (RFC 9113 §6.5).
func (c *Conn) startSettings(h FrameHeader) error {
	if err := checkSettingsHeader(h); err != nil {
		return err
	}
	c.in.stage = stageSettings
	if h.Flags.Has(FlagAck) {
		c.skip(0)
		if c.settingsAcked {
			return c.control(costSettings)
		}
		c.settingsTaken()
		return nil
	}
	if h.Length > maxSettings*settingLen {
		return ConnectionError{EnhanceYourCalm, tooManyParameters}
	}
	if !c.sawSettings {
		return nil // the first one must come
	}
	return c.control(costSettings)
}

// settingsTaken makes ours apply, where they take something away that held before (RFC 9113 §6.5.3).
func (c *Conn) settingsTaken() {
	c.settingsAcked = true
	c.decoder.SetAllowedMaxDynamicTableSize(uint32(c.cfg.HeaderTableSize))
	lower := int32(initialWindow - c.cfg.StreamWindow)
	if lower <= 0 {
		return
	}
	c.streams.each(func(s *Stream) {
		if s.recv.size == initialWindow {
			s.recv.size -= lower
			s.recv.left -= lower
		}
	})
}

// readSettings applies the parameters one by one, in their order, and acknowledges them all at the end.
func (c *Conn) readSettings(b []byte) (n int, more bool, err error) {
	if c.in.left > 0 {
		p, n, ok := c.collect(b, settingLen)
		if !ok {
			return n, false, nil
		}
		c.in.left -= settingLen
		s, err := ParseSetting(p)
		if err == nil {
			err = c.setting(s)
		}
		return n, true, err
	}
	c.in.stage, c.sawSettings = stageFrame, true
	if err := c.reply(); err != nil {
		return 0, false, err
	}
	c.out = AppendSettingsAck(c.output())
	c.event = Event{Kind: EventSettings}
	return 0, true, nil
}

// setting applies a parameter of the peer's.
func (c *Conn) setting(s Setting) error {
	before := c.peer
	c.peer.set(s)
	switch s.ID {
	case SettingHeaderTableSize:
		c.encoder.resize(s.Value)
	case SettingEnablePush:
		if c.role == Client && s.Value == 1 {
			return ConnectionError{ProtocolError, "a server that lets clients push"}
		}
	case SettingInitialWindowSize:
		return c.initialWindow(int64(s.Value) - int64(before.InitialWindowSize))
	case SettingEnableConnectProtocol:
		if before.EnableConnectProtocol && s.Value == 0 {
			return ConnectionError{ProtocolError, "extended CONNECT is taken back"}
		}
	case SettingNoRFC7540Priorities:
		if c.sawSettings && before.NoRFC7540Priorities != c.peer.NoRFC7540Priorities {
			return ConnectionError{ProtocolError, "the scheme of priorities changes"}
		}
	}
	return nil
}

// initialWindow changes the windows of all streams by the change of the initial one (RFC 9113 §6.9.2).
func (c *Conn) initialWindow(delta int64) (err error) {
	c.streams.each(func(s *Stream) {
		v := int64(s.sendWindow) + delta
		if v > maxWindow {
			err = ConnectionError{FlowControlError, "a stream's window gets too large"}
			return
		}
		s.sendWindow = int32(v)
		c.schedule(s)
	})
	return err
}
