package message

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var key = ListenerKey{Name: "web", Address: "127.0.0.1:0"}

// samples has one message of each type, with every field set.
func samples() []Message {
	config := Config{Name: "ringway.yaml", Bytes: []byte("listeners: {}\n")}
	socket := Socket{ListenerKey: key, Bound: "127.0.0.1:8080", Index: 3}
	other := Socket{ListenerKey: ListenerKey{Name: "dns", Address: ":53", Datagram: true}, Bound: "[::]:53"}
	ready := Ready{Listeners: []ListenerKey{key, other.ListenerKey}, DrainTimeout: 30_000}
	return []Message{
		&Hello{Role: RoleWorker, Min: 1, Max: 3, Features: FeatureConnections | FeatureAdopt, PID: 4711, Product: "ringway 1.2", Generation: 7, StateMin: 1, StateMax: 2},
		&Ack{}, &Refusal{Reason: ReasonInvalid, Text: "listeners: missing"}, &Refusal{Reason: ReasonFailed, Text: "in use", Listener: "web"}, &NotUnderstood{Unknown: 999},
		&config, &Listen{Wanted: []Wanted{{ListenerKey: key, Sockets: 4, Backlog: 511, Mode: 0o600}, {ListenerKey: other.ListenerKey}}},
		&Listeners{Sockets: []Socket{socket, other}}, &ready, &Failed{Text: "cannot"},
		&Reload{Config: &config, Preview: true, IfHash: "abc"},
		&Reloaded{Hash: "abc", Diff: "+ route", Listeners: []ListenerKey{key}, DrainTimeout: 5},
		&Drain{}, &Drain{Last: true}, &Status{Brief: true}, &ReadConfig{}, &Stop{}, &Reopen{}, &Resume{}, &HandOver{Give: true},
		&Records{Connections: []Record{{ID: 1, Kind: "http1.client", Listener: "web", State: []byte{0, 1}, Descriptors: 1}, {Kind: "tcp.relay", Descriptors: 2}}},
		&Taken{Refused: []uint64{0, 9}}, &Commit{}, &End{},
		&Status{}, &StatusAnswer{State: "ready", JSON: []byte("{}")}, &Upgrade{}, &Adopt{},
		&Adopted{Ready: ready, Config: config, Sockets: []Socket{socket}},
	}
}

func count(m Message) int {
	if c, ok := m.(carrier); ok {
		return c.descriptors()
	}
	return 0
}

func TestMessagesComeBack(t *testing.T) {
	seen := map[Type]bool{}
	for _, m := range samples() {
		seen[m.Type()] = true
		got, err := Parse(m.Type(), Body(m), count(m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%T: %v\ngot  %+v\nwant %+v", m, err, got, m)
		}
	}
	for _, typ := range Types() {
		if !seen[typ] {
			t.Errorf("type %d has no sample", typ)
		}
	}
}

// TestMessagesCutShort cuts every body at every byte: what is left is refused, or has lost whole fields.
func TestMessagesCutShort(t *testing.T) {
	for _, m := range samples() {
		body := Body(m)
		for n := range body {
			got, err := Parse(m.Type(), body[:n], count(m))
			if err == nil && reflect.DeepEqual(got, m) {
				t.Fatalf("%T: %d of %d bytes are as good as all", m, n, len(body))
			}
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatalf("%T at %d: %v", m, n, err)
			}
		}
	}
}

// TestNewerPeer feeds every message with a field that this version does not know.
func TestNewerPeer(t *testing.T) {
	for _, m := range samples() {
		newer := putBytes(Body(m), 0x7000, "from the future")
		got, err := Parse(m.Type(), newer, count(m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%T with an unknown field: %v, %+v", m, err, got)
		}
		if _, err := Parse(m.Type(), putBytes(newer, 0x7001|critical, "!"), count(m)); !errors.Is(err, ErrNotUnderstood) {
			t.Errorf("%T with an unknown critical field: %v", m, err)
		}
	}
	if _, err := Parse(0x4000, nil, 0); !errors.Is(err, ErrNotUnderstood) {
		t.Errorf("unknown type: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	number := func(id fieldID, n int) []byte { return putBytes(nil, id, make([]byte, n)) }
	for _, c := range []struct {
		name string
		typ  Type
		body []byte
		fds  int
		want string
	}{
		{"too few descriptors", TypeListeners, Body(&Listeners{Sockets: make([]Socket, 2)}), 1, "1 descriptors came, and it speaks of 2"},
		{"descriptors with a message without", TypeAck, nil, 1, "speaks of 0"},
		{"descriptors counted beyond all reason", TypeRecords, Body(&Records{Connections: []Record{{Descriptors: 1 << 40}}}), 1, "a connection of"},
		{"number of seven bytes", TypeReady, number(2, 7), 0, "a number of 7 bytes"},
		{"number that fits no int", TypeHello, putUint(nil, 5, uint64(1)<<63), 0, "the number"},
		{"field longer than the body", TypeFailed, []byte{0, 1, 0xff, 0xff, 0xff, 0xff, 1}, 0, "field of 4294967295"},
		{"inner field longer than its group", TypeListen, putGroup(nil, 1, func(b []byte) []byte { return append(b, 0, 1, 0, 0, 0, 9) }), 0, "field of 9"},
		{"versions upside down", TypeHello, putUint(putUint(nil, 2, 3), 3, 2), 0, "versions 3 to 2"},
		{"hello without versions", TypeHello, nil, 0, "versions 0 to 0"},
		{"config with another's hash", TypeConfig, putBytes(putBytes(nil, 2, "a"), 3, Hash([]byte("b"))), 0, "not what its hash says"},
	} {
		if _, err := Parse(c.typ, c.body, c.fds); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAgree(t *testing.T) {
	for _, c := range []struct {
		a, b Hello
		want Version
		bits Features
	}{
		{Hello{Min: 1, Max: 1, Features: 3}, Hello{Min: 1, Max: 1, Features: 6}, 1, 2},
		{Hello{Min: 1, Max: 2}, Hello{Min: 2, Max: 3}, 2, 0},
		{Hello{Min: 1, Max: 4}, Hello{Min: 1, Max: 2}, 2, 0},
		{Hello{Min: 1, Max: 1}, Hello{Min: 2, Max: 3}, 0, 0},
	} {
		for _, pair := range [][2]*Hello{{&c.a, &c.b}, {&c.b, &c.a}} {
			v, f, err := Agree(pair[0], pair[1])
			if v != c.want || f != c.bits || (err != nil) != (c.want == 0) {
				t.Errorf("%+v: version %d, features %b, %v", c, v, f, err)
			}
			if err != nil && !errors.Is(err, &Refusal{Reason: ReasonVersion}) {
				t.Errorf("%v is no refusal for the version", err)
			}
		}
	}
}

func TestUnknownReasonIsAFailure(t *testing.T) {
	m, err := Parse(TypeRefusal, putUint(nil, 1, uint64(5000)), 0)
	if r, ok := m.(*Refusal); err != nil || !ok || r.Reason != ReasonFailed {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]Millis{0: 0, -time.Second: 0, 1: 1, time.Millisecond: 1, time.Second + 1: 1001} {
		if got := Milliseconds(d); got != want {
			t.Errorf("%v: %d", d, got)
		}
	}
	if d := Millis(1 << 63).Duration(); d <= 0 {
		t.Errorf("a very long time became %v", d)
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range samples() {
		f.Add(uint16(m.Type()), Body(m), count(m))
	}
	f.Fuzz(func(t *testing.T, typ uint16, body []byte, fds int) {
		kept := bytes.Clone(body)
		m, err := Parse(Type(typ), body, fds)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotUnderstood) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		clear(body)
		again, err := Parse(Type(typ), Body(m), fds)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%q: %v\ngot  %+v\nwant %+v", kept, err, again, m)
		}
	})
}
