package grpc

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

func TestIs(t *testing.T) {
	for value, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc;charset=x": true, "Application/GRPC": true,
		"application/grpc-web": false, "application/grpcx": false, "application/grp": false, "": false, "text/plain": false,
	} {
		var f header.Fields
		f.AddID(header.ContentType, []byte(value))
		if Is(&f) != want {
			t.Errorf("%q: %v", value, !want)
		}
	}
	if Is(new(header.Fields)) {
		t.Error("without a media type")
	}
}

func TestWeb(t *testing.T) {
	for value, want := range map[string]string{
		"application/grpc-web": " false true", "application/grpc-web+proto": "+proto false true", "application/grpc-web-text": " true true",
		"Application/Grpc-Web-Text+proto": "+proto true true", "application/grpc": " false false", "application/grpc-webs": "s false false", "": " false false",
	} {
		suffix, text, ok := Web([]byte(value))
		if got := fmt.Sprintf("%s %v %v", suffix, text, ok); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
		var f header.Fields
		f.AddID(header.ContentType, []byte(value))
		if Speaks(&f) != (ok || value == "application/grpc") {
			t.Errorf("%q: Speaks is wrong", value)
		}
	}
}

func TestTimeout(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "04m": 4 * time.Millisecond, "5u": 5 * time.Microsecond, "99999999n": 99999999,
		"0S": 0, "99999999H": math.MaxInt64, "99999999M": 99999999 * time.Minute,
		"": -1, "S": -1, "1": -1, "1s": -1, "-1S": -1, "1.5S": -1, "123456789S": -1, "1 S": -1, "+1S": -1,
	} {
		got, ok := parseTimeout([]byte(value))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %v %v, want %v", value, got, ok, want)
		}
	}
	var f header.Fields
	if _, ok := Timeout(&f); ok {
		t.Error("a time out of nothing")
	}
	f.Add("Grpc-Timeout", []byte("7S"))
	if d, ok := Timeout(&f); !ok || d != 7*time.Second {
		t.Error(d, ok)
	}
}

func FuzzTimeout(f *testing.F) {
	f.Add([]byte("10S"))
	f.Fuzz(func(t *testing.T, v []byte) {
		if d, ok := parseTimeout(v); ok && d < 0 {
			t.Errorf("%q: %v", v, d)
		}
	})
}

func TestStatus(t *testing.T) {
	for http, want := range map[int]Status{400: Internal, 401: Unauthenticated, 403: PermissionDenied, 404: Unimplemented,
		429: Unavailable, 502: Unavailable, 503: Unavailable, 504: Unavailable, 500: Unknown, 413: Unknown} {
		if got := OfHTTP(http); got != want {
			t.Errorf("%d: %d, want %d", http, got, want)
		}
	}
	for code, want := range map[http2.ErrCode]Status{http2.NoError: Internal, http2.ProtocolError: Internal, http2.RefusedStream: Unavailable,
		http2.Cancel: Canceled, http2.EnhanceYourCalm: ResourceExhausted, http2.InadequateSecurity: PermissionDenied} {
		if got := OfReset(code); got != want {
			t.Errorf("%v: %d, want %d", code, got, want)
		}
	}
	for err, want := range map[error]Status{errs.New(errs.NoRoute, "x"): Unimplemented, errs.New(errs.Overloaded, "x"): Unavailable,
		errs.From(errs.UpstreamTimeout, ErrDeadline, "x"): DeadlineExceeded, errs.New(errs.UpstreamTimeout, "x"): Unavailable, errors.New("x"): Unknown} {
		if got := OfError(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestFail(t *testing.T) {
	var x exchange.Exchange
	x.Request.Fields = new(header.Fields)
	x.Request.Fields.AddID(header.ContentType, []byte("application/grpc-web+proto"))
	Fail(&x, errs.New(errs.NoRoute, "secret"))
	got := fmt.Sprint(x.Response.Status, x.Response.Body)
	for name, value := range x.Response.Fields.All() {
		got += fmt.Sprintf(" %s=%s", name, value)
	}
	if got != "200 <nil> Content-Type=application/grpc-web+proto grpc-status=12 grpc-message=No route matches the request" {
		t.Error(got)
	}
	if got := string(appendMessage(nil, "100% ä\n")); got != "100%25 %C3%A4%0A" {
		t.Error(got)
	}
}
