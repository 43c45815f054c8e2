package accesslog

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// line pushes r through encoding and decoding and formats it.
func line(f *formatter, r *Record) string {
	n, size, truncated := r.measure()
	b := bytes.Repeat([]byte{0xAA}, size) // encode must set every byte it means
	r.encode(b, &n, truncated)
	var v view
	v.decode(b)
	return string(f.append(nil, &v))
}

func TestJSONLine(t *testing.T) {
	full := `{"time":"2026-01-02T03:04:05.006007Z","client":"192.0.2.7:4711","listener":"web","method":"GET",` +
		`"host":"example.com","path":"/a?b=c","protocol":"HTTP/1.1","status":502,"bytes_in":10,"bytes_out":20,` +
		`"duration_us":1234,"request_id":"id-1","referer":"http://r/","user_agent":"agent \"x\"","route":"api",` +
		`"cluster":"site","upstream":"127.0.0.1:3000","upstream_duration_us":1000,"retries":1,"error":"upstream_reset"}` + "\n"
	if got := line(&formatter{}, sample()); got != full {
		t.Errorf("got  %swant %s", got, full)
	}
	bare := `{"time":"1970-01-01T00:00:00.000000Z","status":0,"bytes_in":0,"bytes_out":0,"duration_us":0}` + "\n"
	if got := line(&formatter{}, &Record{Duration: -5}); got != bare {
		t.Errorf("got  %swant %s", got, bare)
	}
	session := `{"time":"1970-01-01T00:00:00.000000Z","listener":"db","host":"db.example","protocol":"tcp","bytes_in":1,"bytes_out":2,` +
		`"duration_us":0,"end":"idle_timeout"}` + "\n"
	if got := line(&formatter{}, &Record{Listener: "db", Host: []byte("db.example"), Protocol: "tcp", End: "idle_timeout", BytesIn: 1, BytesOut: 2}); got != session {
		t.Errorf("got  %swant %s", got, session)
	}
	tunnel := `{"time":"1970-01-01T00:00:00.000000Z","listener":"web","status":101,"bytes_in":1,"bytes_out":2,"duration_us":0,"end":"finished"}` + "\n"
	if got := line(&formatter{}, &Record{Listener: "web", Status: 101, End: "finished", BytesIn: 1, BytesOut: 2}); got != tunnel {
		t.Errorf("got  %swant %s", got, tunnel)
	}
	if got := line(&formatter{}, &Record{Time: -1}); !strings.Contains(got, "1969-12-31T23:59:59.999999Z") {
		t.Errorf("before 1970: %s", got)
	}
}

func TestCombinedLine(t *testing.T) {
	defer func(old *time.Location) { time.Local = old }(time.Local)
	time.Local = time.FixedZone("", -7*3600)
	r := sample()
	want := `192.0.2.7 - - [01/Jan/2026:20:04:05 -0700] "GET /a?b=c HTTP/1.1" 502 20 "http://r/" "agent \x22x\x22"` + "\n"
	if got := line(&formatter{combined: true}, r); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	r = &Record{Time: r.Time, Status: 400}
	want = `- - - [01/Jan/2026:20:04:05 -0700] "-" 400 0 "-" "-"` + "\n"
	if got := line(&formatter{combined: true}, r); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestStampFollowsTheSecond(t *testing.T) {
	f := &formatter{}
	r := sample()
	for _, want := range []string{"03:04:05.006007Z", "03:04:06.006007Z", "03:04:07.006007Z"} {
		if got := line(f, r); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		r.Time += int64(time.Second)
	}
}

func TestClientAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1:80":             `"10.0.0.1:80"`,
		"[2001:db8::1]:443":       `"[2001:db8::1]:443"`,
		"[::ffff:10.0.0.1]:80":    `"[::ffff:10.0.0.1]:80"`,
		"[fe80::1%very-long]:443": `"[fe80::1]:443"`,
	} {
		if got := line(&formatter{}, &Record{Client: netip.MustParseAddrPort(in)}); !strings.Contains(got, `"client":`+want) {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestTruncation(t *testing.T) {
	r := sample()
	r.Method = bytes.Repeat([]byte("M"), maxMethod+1)
	r.Host = bytes.Repeat([]byte("h"), 70_000)
	r.Path = append(bytes.Repeat([]byte("p"), maxPath-1), "é"...) // its second byte is one too many
	r.Referer = bytes.Repeat([]byte{0x80}, 5000)
	r.Route = strings.Repeat("r", 500)
	r.End = strings.Repeat("e", 500)
	r.Subject = strings.Repeat("s", 500)
	var got struct {
		Method, Host, Path, Route string
		Subject                   string `json:"client_subject"`
		Truncated                 bool
	}
	if err := json.Unmarshal([]byte(line(&formatter{}, r)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Method) != maxMethod || len(got.Host) != maxHost || got.Path != strings.Repeat("p", maxPath-1) ||
		len(got.Route) != maxName || len(got.Subject) != maxSubject || !got.Truncated {
		t.Errorf("lengths %d %d %d %d, truncated %v", len(got.Method), len(got.Host), len(got.Path), len(got.Route), got.Truncated)
	}
	if _, size, _ := r.measure(); size > maxRecordSize || maxRecordSize*2 > minRingSize {
		t.Errorf("size %d, bound %d: the ring's least size does not follow", size, maxRecordSize)
	}
	_, p := stopped(MinBuffer)
	if !p.Push(r) {
		t.Error("a record of the greatest size does not fit an empty ring")
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("/a\"\\\n\xff"), []byte("h\x00"), "r\u2028", int64(1), uint16(200))
	f.Fuzz(func(t *testing.T, method, path, agent []byte, route string, at int64, status uint16) {
		r := &Record{Time: at, Duration: at, Method: method, Path: path, UserAgent: agent, Referer: path,
			RequestID: method, Host: agent, Route: route, Upstream: route, End: route, TLS: route, Subject: route, Status: status}
		got := line(&formatter{}, r)
		if !json.Valid([]byte(got)) || !utf8.ValidString(got) || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "}\n") {
			t.Fatalf("not one JSON line: %q", got)
		}
		got = line(&formatter{combined: true}, r)
		if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\"\n") || strings.Count(got, `"`) != 6 || strings.ContainsRune(got, 0) {
			t.Fatalf("not one combined line: %q", got)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	r := sample()
	n, size, truncated := r.measure()
	raw := make([]byte, size)
	r.encode(raw, &n, truncated)
	for _, f := range []formatter{{}, {combined: true}} {
		name := "json"
		if f.combined {
			name = "combined"
		}
		b.Run(name, func(b *testing.B) {
			var v view
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				v.decode(raw)
				dst = f.append(dst[:0], &v)
			}
		})
	}
}
