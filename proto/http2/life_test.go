package http2

import (
	"errors"
	"testing"
	"time"
)

// TestDrain: GOAWAY twice, so that no request is lost that was on its way (RFC 9113 §6.8).
func TestDrain(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(s.headers(1, true, get))
	s.outcome()
	s.c.Drain()
	s.want("-> GOAWAY 2147483647 NO_ERROR, PING 7277647261696e00")
	s.feed(s.headers(3, true, get)) // was on its way
	s.want("headers 3 end: GET https a.example /|host=a.example")
	s.feed(PingFrame{Ack: true, Data: drainPing}.Append(nil))
	s.want("-> GOAWAY 3 NO_ERROR")
	s.feed(s.headers(5, false, get+"|x=y"), DataFrame{5, true, []byte("x")}.Append(nil))
	s.want("") // the peer knows that nobody looks at it
	if s.c.Drained() {
		t.Error("drained with streams open")
	}
	for _, id := range []StreamID{1, 3} {
		_ = s.c.AppendResponse(s.streams[id], 200, nil, true)
		s.c.Release(s.streams[id])
	}
	if s.c.Drained() {
		t.Error("drained before all was sent")
	}
	s.outcome()
	if !s.c.Drained() {
		t.Error("not drained")
	}
	if r := s.c.recv; r.held != 0 {
		t.Errorf("%+v", r)
	}
}

// TestDrainByTime: the second GOAWAY does not wait for ever for a peer that answers no PING, and can be had at once.
func TestDrainByTime(t *testing.T) {
	s := newScript(t, Server, nil)
	s.c.Drain()
	s.outcome()
	s.now = s.c.Deadline()
	if s.now != int64(s.c.cfg.SettingsTimeout) {
		t.Errorf("deadline %d", s.now)
	}
	if ev, err := s.c.Tick(s.now); ev != nil || err != nil {
		t.Error(ev, err)
	}
	s.want("-> GOAWAY 0 NO_ERROR")
	if d := s.c.Deadline(); d != 0 {
		t.Errorf("deadline %d", d)
	}
	s = newScript(t, Server, nil)
	s.c.Drain()
	s.c.Drain()
	s.c.Drain()
	s.want("-> GOAWAY 2147483647 NO_ERROR, PING 7277647261696e00, GOAWAY 0 NO_ERROR")
}

// TestDrainCountsFromNow: the peer has all of the time between the two GOAWAY, however long it was silent before.
func TestDrainCountsFromNow(t *testing.T) {
	s := newScript(t, Server, nil)
	timeout := int64(s.c.cfg.SettingsTimeout)
	began := 5 * timeout
	s.c.SetNow(began)
	s.c.Drain()
	s.want("-> GOAWAY 2147483647 NO_ERROR, PING 7277647261696e00")
	if d := s.c.Deadline(); d != began+timeout {
		t.Errorf("deadline %d, want %d", d, began+timeout)
	}
	_, _ = s.c.Tick(began + timeout - 1)
	s.want("")
	_, _ = s.c.Tick(began + timeout)
	s.want("-> GOAWAY 0 NO_ERROR")
}

// TestGoAwayAtClient: requests that the server has not looked at are told of, one by one, and nothing new is opened.
func TestGoAwayAtClient(t *testing.T) {
	s := newScript(t, Client, nil)
	first, second, third := s.request("GET", "/", true), s.request("GET", "/", true), s.request("GET", "/", true)
	s.outcome()
	s.feed(GoAwayFrame{Last: maxStreamID, Debug: []byte("soon")}.Append(nil))
	s.want("goaway 2147483647 NO_ERROR soon")
	if s.c.CanOpen() != 0 {
		t.Error("a stream can be opened")
	}
	if _, err := s.c.AppendRequest(&RequestHead{}, nil, true); !errors.Is(err, ErrGoingAway) {
		t.Error(err)
	}
	s.c.Release(second)
	s.outcome()
	s.feed(GoAwayFrame{Last: 1, Code: EnhanceYourCalm, Debug: make([]byte, 1000)}.Append(nil))
	if len(s.events) != 2 || s.events[1] != "reset 5 by us REFUSED_STREAM" && s.events[1] != "reset 5 by peer REFUSED_STREAM" {
		t.Errorf("%.80q", s.events)
	}
	s.outcome()
	s.feed(s.headers(1, true, ":status=200"))
	s.want("headers 1 end: 200")
	if !s.c.Drained() || first.State() != Closed || third.State() != Closed {
		t.Error("not drained")
	}
}

// TestReleaseOfWhatIsDue: a stream can be released before its end has been told.
func TestReleaseOfWhatIsDue(t *testing.T) {
	s := newScript(t, Client, nil)
	var list []*Stream
	for range 5 {
		list = append(list, s.request("GET", "/", true))
	}
	s.outcome()
	n, ev, err := s.c.Feed(GoAwayFrame{}.Append(nil), 0)
	if n == 0 || ev == nil || ev.Kind != EventGoAway || err != nil {
		t.Fatal(n, ev, err)
	}
	for _, i := range []int{4, 0, 2} {
		s.c.Release(list[i])
	}
	s.feed()
	if len(s.events) != 2 {
		t.Errorf("%q", s.events)
	}
}

func TestPing(t *testing.T) {
	s := newScript(t, Client, nil)
	s.c.Ping([8]byte{1, 2})
	s.feed(PingFrame{Ack: true, Data: [8]byte{1, 2}}.Append(nil), PingFrame{Data: [8]byte{3}}.Append(nil))
	s.want("pong 0102000000000000 -> PING 0102000000000000, PING 0300000000000000 ack")
}

func TestUpgrade(t *testing.T) {
	cfg := DefaultConfig()
	settings, err := ParseHTTP2Settings(cfg.AppendUpgrade(nil))
	if err != nil {
		t.Fatal(err)
	}
	server, client := NewConn(Server, &cfg, NewPool(), 0), NewConn(Client, &cfg, NewPool(), 0)
	st, err := server.Upgrade(settings)
	if err != nil || st.State() != HalfClosedRemote || server.Peer().InitialWindowSize != uint32(cfg.StreamWindow) {
		t.Fatal(err, server.Peer())
	}
	asked := client.Upgraded(false)
	_ = server.AppendResponse(st, 200, nil, false)
	_, _ = server.AppendData(st, []byte("hello"), true)
	server.Release(st)
	var got []string
	l := &link{t: t, a: server, b: client, onEvent: func(c *Conn, ev *Event) {
		if ev.Stream != nil {
			got = append(got, describeEvent(ev))
		}
	}}
	if err := l.run(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "headers 1: 200" || got[1] != "data 1 end: hello" || asked.State() != Closed {
		t.Errorf("%q", got)
	}
	if next, err := client.AppendRequest(&RequestHead{Method: []byte("GET"), Scheme: "http", Authority: []byte("a"), Path: []byte("/")}, nil, true); err != nil || next.ID() != 3 {
		t.Error(err)
	}
	if _, err := NewConn(Server, &cfg, NewPool(), 0).Upgrade([]Setting{{SettingEnableConnectProtocol, 1}, {SettingEnableConnectProtocol, 0}}); err == nil {
		t.Error("settings that contradict themselves")
	}
}

// TestExtendedConnect (RFC 8441): a tunnel both ways, also after the response.
func TestExtendedConnect(t *testing.T) {
	cfg := DefaultConfig()
	server, client := NewConn(Server, &cfg, NewPool(), 0), NewConn(Client, &cfg, NewPool(), 0)
	var got []string
	l := &link{t: t, a: server, b: client, onEvent: func(c *Conn, ev *Event) {
		if ev.Stream == nil {
			return
		}
		got = append(got, describeEvent(ev))
		switch {
		case ev.Kind == EventHeaders && c.role == Server:
			_ = c.AppendResponse(ev.Stream, 200, nil, false)
		case ev.Kind == EventData && c.role == Server:
			_, _ = c.AppendData(ev.Stream, append([]byte("re: "), ev.Data...), ev.EndStream)
		}
	}}
	if err := l.run(); err != nil || !client.Peer().EnableConnectProtocol {
		t.Fatal(err)
	}
	st, err := client.AppendRequest(&RequestHead{Method: []byte("CONNECT"), Protocol: []byte("websocket"), Scheme: "http", Authority: []byte("a"), Path: []byte("/chat")}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.run()
	for _, end := range []bool{false, true} {
		_, _ = client.AppendData(st, []byte("ping"), end)
		_ = l.run()
	}
	want := []string{"headers 1: CONNECT http a /chat websocket|host=a", "headers 1: 200", "data 1: ping", "data 1: re: ping", "data 1 end: ping", "data 1 end: re: ping"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}

// TestScheduler: urgency first, in order within it, incremental ones in turns, and the two kinds alternately (RFC 9218 §10).
func TestScheduler(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 1 << 20}), WindowUpdateFrame{0, 1 << 20}.Append(nil))
	for i, p := range []string{"u=3", "u=3", "u=3, i", "u=3, i", "u=0", "u=7, i", "u=5"} {
		s.feed(s.headers(id(i), true, get+"|priority="+p))
		_ = s.c.AppendResponse(s.streams[id(i)], 200, nil, false)
	}
	for i := range 7 {
		s.c.SetReady(s.streams[id(6-i)], true)
	}
	order := func(want ...StreamID) {
		t.Helper()
		for i, w := range want {
			st := s.c.Next()
			if st == nil || st.ID() != w {
				t.Fatalf("%d: %v, want %d", i, st, w)
			}
			_, _ = s.c.AppendData(st, zeros[:100], false)
		}
	}
	order(9, 9)
	s.c.SetReady(s.streams[9], false)
	order(1, 7, 1, 5, 1, 7, 1)
	_, _ = s.c.AppendData(s.streams[1], nil, true)
	order(5, 3, 7, 3)
	s.c.SetReady(s.streams[3], false)
	order(5, 7, 5, 7)
	s.feed(PriorityUpdateFrame{11, []byte("u=1")}.Append(nil)) // the client changes its mind
	order(11, 11)
	s.c.SetPriority(s.streams[11], Priority{Urgency: 7})
	order(5)
	s.c.Reset(s.streams[5], Cancel)
	s.c.Reset(s.streams[7], Cancel)
	order(13)
	s.c.Release(s.streams[13])
	order(11)
	s.c.SetReady(s.streams[11], false)
	if st := s.c.Next(); st != nil {
		t.Errorf("stream %d has nothing to send", st.ID())
	}
}

// TestSchedulerWindows: who has no window is not in the way of others.
func TestSchedulerWindows(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 10}), s.headers(1, true, get), s.headers(3, true, get))
	for _, st := range s.streams {
		_ = s.c.AppendResponse(st, 200, nil, false)
		s.c.SetReady(st, true)
	}
	_, _ = s.c.AppendData(s.streams[1], zeros[:10], false)
	if st := s.c.Next(); st != s.streams[3] {
		t.Error("the second is next")
	}
	_, _ = s.c.AppendData(s.streams[3], zeros[:10], false)
	if s.c.Next() != nil {
		t.Error("nobody has a window")
	}
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 20}))
	if st := s.c.Next(); st != s.streams[1] {
		t.Error("the first is next again")
	}
	s.c.sendWindow = 0
	if s.c.Next() != nil {
		t.Error("the connection has no window")
	}
}

// TestEarlyPriority: a PRIORITY_UPDATE may come before its request (RFC 9218 §7.1), and outdoes its field.
func TestEarlyPriority(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(PriorityUpdateFrame{3, []byte("u=0")}.Append(nil), PriorityUpdateFrame{3, []byte("u=6, i")}.Append(nil), PriorityUpdateFrame{1, []byte("u=9,,")}.Append(nil),
		PriorityUpdateFrame{5, []byte("u=1" + string(make([]byte, 100)))}.Append(nil))
	s.feed(s.headers(1, true, get+"|priority=u=2"), s.headers(3, true, get+"|priority=u=2"), s.headers(5, true, get))
	for id, want := range map[StreamID]Priority{1: {2, false}, 3: {6, true}, 5: DefaultPriority} {
		if got := s.streams[id].Priority(); got != want {
			t.Errorf("stream %d: %+v, want %+v", id, got, want)
		}
	}
	if len(s.c.early) != 0 {
		t.Errorf("%v are kept", s.c.early)
	}
	for i := range 3 * maxEarlyPriorities {
		s.feed(PriorityUpdateFrame{id(i + 10), []byte("u=0")}.Append(nil))
	}
	if len(s.c.early) != maxEarlyPriorities {
		t.Errorf("%d are kept", len(s.c.early))
	}
}

// TestClose: after the end everything says so and nothing is appended.
func TestClose(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(s.headers(1, false, get), s.headers(3, false, get), DataFrame{1, false, []byte("x")}.Append(nil), HeadersFrame{Stream: 1}.Append(nil))
	_ = s.c.AppendResponse(s.streams[3], 200, nil, false)
	s.c.SetReady(s.streams[3], true)
	s.c.Close()
	s.c.Reset(s.streams[1], Cancel)
	s.c.Release(s.streams[1])
	s.c.Release(s.streams[3])
	s.c.Ping([8]byte{})
	s.c.Drain()
	if s.c.Pending() != nil && len(s.c.Pending()) > 0 || s.c.Next() != nil || s.c.Streams() != 0 || s.c.Unreleased() != 0 {
		t.Errorf("%d bytes, %d streams", len(s.c.Pending()), s.c.Streams())
	}
	if _, _, err := s.c.Feed(nil, 0); !errors.Is(err, ErrGoingAway) {
		t.Error(err)
	}
	if _, err := s.c.Tick(int64(time.Hour)); !errors.Is(err, ErrGoingAway) {
		t.Error(err)
	}
}
