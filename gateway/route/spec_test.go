package route

import (
	"testing"

	"github.com/ringway/ringway/config"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"cluster: c", ""},
		{"{host: '*.example.com', path: /a/*, method: GET, cluster: c}", ""},
		{"{host: '[::1]', path: '*', cluster: c}", ""},
		{"{path_regex: '/a/.*', cluster: c}", ""},
		{"filters: [{respond: {}}]", ""},
		{"filters: [{headers: {}}]", `r.yaml:1:1: a route needs a cluster, or a filter that answers such as respond`},
		{"{host: 'a.*.com', cluster: c}", `r.yaml:1:8: host: a * stands for whole labels at the front only: *.example.com`},
		{"{host: 'a:80', cluster: c}", `r.yaml:1:8: host: a host here has no port: the port is the listener's`},
		{"{host: 'http://a', cluster: c}", `r.yaml:1:8: host: a host is a name or an address, without scheme and path`},
		{"{host: '*.', cluster: c}", `r.yaml:1:8: host: a host is a name or an address, without scheme and path`},
		{"{path: a, cluster: c}", `r.yaml:1:8: path: a path starts with /; did you mean "/a"?`},
		{"{path: /a*, cluster: c}", `r.yaml:1:8: path: a * stands at the end only, behind a slash: /prefix/*; use path_regex for other patterns`},
		{"{path: '/a?b', cluster: c}", `r.yaml:1:8: path: a path has no query and no fragment`},
		{"{path: /a/../b, cluster: c}", `r.yaml:1:8: path: requests are matched by their normal path, which this is not; did you mean "/b"?`},
		{"{path: /%41//b/*, cluster: c}", `r.yaml:1:8: path: requests are matched by their normal path, which this is not; did you mean "/A/b/*"?`},
		{"{path: /.., cluster: c}", `r.yaml:1:8: path: the path leads above the root`},
		{"{path: /a, path_regex: b, cluster: c}", `r.yaml:1:24: path_regex: a route has a path or a path_regex, not both`},
		{"{method: get, cluster: c}", `r.yaml:1:10: method: methods are case-sensitive; did you mean "GET"?`},
		{"{method: 'G T', cluster: c}", `r.yaml:1:10: method: "G T" is not a method`},
	} {
		got := ""
		if err := config.Decode("r.yaml", []byte(test.text), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}
