package respond

import (
	"io"
	"testing"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
)

func TestRespond(t *testing.T) {
	for _, test := range []struct {
		spec   string
		status int
		fields string
		body   string
	}{
		{"{}", 200, "", ""},
		{"{status: 404, body: gone}", 404, "Content-Type: text/plain; charset=utf-8\n", "gone"},
		{"{status: 301, headers: {Location: /x}}", 301, "Location: /x\n", ""},
		{"{body: '{}', content_type: application/json, headers: {B: '1', A: '2'}}", 200, "Content-Type: application/json\nA: 2\nB: 1\n", "{}"},
		{"{body: x, headers: {content-type: a/b}}", 200, "content-type: a/b\n", "x"},
		{"{status: 204}", 204, "", ""},
	} {
		spec := new(Spec)
		if err := config.Decode("r.yaml", []byte(test.spec), spec); err != nil {
			t.Fatal(err)
		}
		f := spec.New()
		var x exchange.Exchange
		for range 2 { // a filter answers more than once
			x.Reset()
			if err := f.Handle(&x, filter.Next{}); err != nil {
				t.Fatal(err)
			}
			fields, body := "", ""
			for name, value := range x.Response.Fields.All() {
				fields += string(name) + ": " + string(value) + "\n"
			}
			if x.Response.Body != nil {
				for p, err := x.Response.Body.Next(); err != io.EOF; p, err = x.Response.Body.Next() {
					body += string(p)
				}
			}
			if x.Response.Status != test.status || fields != test.fields || body != test.body || x.Response.ContentLength != int64(len(body)) {
				t.Errorf("%s: %d\n%s\n%q", test.spec, x.Response.Status, fields, body)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{"status: 199", "r.yaml:1:9: status: a final status is 200 to 599, not 199"},
		{"status: 600", "r.yaml:1:9: status: a final status is 200 to 599, not 600"},
		{"{status: 204, body: x}", "r.yaml:1:21: body: a response with status 204 has no body"},
		{`content_type: "a\nb"`, "r.yaml:1:15: content_type: the media type holds a control character, or white space at an end"},
		{"headers: {Content-Length: '5'}", "r.yaml:1:27: headers.Content-Length: Content-Length belongs to the gateway"},
		{`headers: {A: "b\r\nC: d"}`, `r.yaml:1:14: headers.A: "A: b\r\nC: d" cannot stand in a message`},
		{"headers: {'A:': b}", `r.yaml:1:17: headers["A:"]: "A:: b" cannot stand in a message`},
	} {
		got := ""
		if err := config.Decode("r.yaml", []byte(test.spec), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.spec, got, test.want)
		}
	}
}
