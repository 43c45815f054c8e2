package acme

import (
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
)

// TestSpecFaults: what cannot be had is said where it stands.
func TestSpecFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{}", ""},
		{"{names: [www.example.com, Bücher.example.com], email: a@b.example, key_type: rsa2048, challenges: [http-01]}", ""},
		{"{names: ['*.example.com']}", "names[0]: a wildcard certificate needs the DNS challenge"},
		{"{names: [a.example.com, 192.0.2.1]}", "names[1]: an address"},
		{"{names: ['a b.example']}", "is not a host name"},
		{"{names: [localhost]}", "not a name on the internet"},
		{"{names: [intranet]}", "not a name on the internet"},
		{"{names: [intranet], ca: 'https://ca.internal/dir'}", ""},
		{"{ca: 'http://ca.example/dir'}", "ca: the directory of an authority is an https URL"},
		{"{ca: ca.example}", "ca: the directory of an authority is an https URL"},
		{"{email: nobody}", "email: not an address for mail"},
		{"{email: 'A <a@b.example>'}", "email: not an address for mail"},
		{"{ca_root: /nonexistent/file}", "ca_root: open /nonexistent/file"},
		{"{storage: here}", "storage: a folder for keys is written in full"},
		{"{challenges: []}", "challenges: without a way to prove control"},
		{"{challenges: [dns-01]}", "challenges[0]"},
		{"{key_type: dsa}", "key_type"},
		{"{eab: {key_id: a}}", "key"},
		{"{eab: {key_id: a, key: '%%%'}}", "eab.key: not a key in base64url"},
		{"{eab: {key_id: a, key: 'AAAA=='}}", ""},
		{"{on_demand: {}}", "ask"},
		{"{on_demand: {ask: 'ftp://x'}}", "on_demand.ask: want the URL of a service"},
		{"{on_demand: {ask: 'http://127.0.0.1:1/may', timeout: 0s}}", "on_demand.timeout: the answer needs a bound"},
		{"{on_demand: {ask: 'http://127.0.0.1:1/may', max_names: 0}}", "on_demand.max_names: max_names is 1 to"},
		{"{on_demand: {ask: 'http://127.0.0.1:1/may', concurrent: 9999}}", "on_demand.concurrent: concurrent is 1 to"},
	} {
		s := new(Spec)
		err := config.Decode("f", []byte(c.text), s)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v; want %q", c.text, err, c.want)
		}
	}
}

// TestNormal: names are as clients ask for them.
func TestNormal(t *testing.T) {
	for in, want := range map[string]string{"WWW.Example.COM.": "www.example.com", "bücher.example": "xn--bcher-kva.example", "a": "a", "": "", "a..b": "", "::1": "", "a_b.example": "", "*.a": ""} {
		if got, err := Normal(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// FuzzNormal: what comes out is plausible, and stays what it is.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{"www.example.com", "Bücher.example", "a..b", "127.0.0.1", "0.0.0.0.", "１.1.1.1", "xn--bcher-kva", "../x", "a\x00b", "*.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := Normal(in)
		if err != nil {
			return
		}
		if !plausible(out) {
			t.Errorf("%q became %q", in, out)
		}
		if again, err := Normal(out); err != nil || again != out {
			t.Errorf("%q became %q, which became %q, %v", in, out, again, err)
		}
	})
}

// TestKeys: claims on the same account share it; anything else but names tells them apart.
func TestKeys(t *testing.T) {
	base := func() *Spec { return &Spec{CA: "https://ca/dir", EAB: &EABSpec{"id", "secret"}} }
	key := func(change func(*Spec)) string {
		s := base()
		change(s)
		k, err := keyOf(s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	same := key(func(*Spec) {})
	if key(func(s *Spec) { s.Names = []string{"a"} }) != same {
		t.Error("names tell accounts apart")
	}
	for name, change := range map[string]func(*Spec){
		"ca": func(s *Spec) { s.CA = "https://other/dir" }, "email": func(s *Spec) { s.Email = "a@b" }, "eab": func(s *Spec) { s.EAB.Key = "other" },
		"storage": func(s *Spec) { s.Storage = "/x" }, "key": func(s *Spec) { s.KeyType = P384 },
		"ask": func(s *Spec) { s.OnDemand = &OnDemandSpec{Ask: "http://x"} },
	} {
		if key(change) == same {
			t.Errorf("%s does not tell accounts apart", name)
		}
	}
}
