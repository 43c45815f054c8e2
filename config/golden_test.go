package config

import "testing"

// TestGoldenErrors holds the messages to the letter: they are what most users read of this program.
func TestGoldenErrors(t *testing.T) {
	for _, c := range goldens {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := Decode("g.yaml", []byte(c.text), new(testSpec)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("file\n%s\ngot\n%s\nwant\n%s", c.text, got, c.want)
			}
		})
	}
}

var goldens = []struct{ name, text, want string }{
	{
		"unknown key with a near one",
		"listeners:\n  web:\n    address: x\n    routes:\n      - clutser: api\n",
		`g.yaml:5:9: listeners.web.routes[0].clutser: unknown key; did you mean "cluster"?`,
	},
	{
		"unknown key with none near",
		"listeners:\n  web: {address: x, zebra: 1}\n",
		`g.yaml:2:21: listeners.web.zebra: unknown key; known here: address, max_body, port, protocol, ratio, routes, timeout`,
	},
	{
		"unknown key that was the required one",
		"listeners: {web: {adress: x}}\n",
		`g.yaml:1:19: listeners.web.adress: unknown key; did you mean "address"?`,
	},
	{
		"duplicate key",
		"listeners:\n  web: {address: x}\n  web: {address: y}\n",
		`g.yaml:3:3: listeners.web: duplicate key; the first stands on line 2`,
	},
	{
		"required key",
		"listeners:\n  web:\n    protocol: tcp\nclusters:\n  a: {}\n",
		`g.yaml:2:3: listeners.web.address: required key is missing
g.yaml:5:6: clusters.a.endpoints: required key is missing`,
	},
	{
		"enum",
		"listeners: {web: {address: x, protocol: htpp}}\n",
		`g.yaml:1:41: listeners.web.protocol: expected one of http, tcp, udp, found "htpp"; did you mean "http"?`,
	},
	{
		"enum key",
		"listeners: {web: {address: x}}\nlabels: {gren: a, blue: b}\n",
		`g.yaml:2:10: labels.gren: unknown key; did you mean "green"?
g.yaml:2:19: labels.blue: unknown key; known here: green, red`,
	},
	{
		"string as number",
		"listeners: {web: {address: 8080}}\n",
		`g.yaml:1:28: listeners.web.address: expected a string such as "text", found the number 8080; did you mean "8080"?`,
	},
	{
		"string as boolean",
		"listeners: {web: {address: true}}\n",
		`g.yaml:1:28: listeners.web.address: expected a string such as "text", found true; did you mean "true"?`,
	},
	{
		"number as string",
		"listeners: {web: {address: x, port: \"80\"}}\n",
		`g.yaml:1:37: listeners.web.port: expected a whole number such as 8, found the string "80"; did you mean 80?`,
	},
	{
		"number out of range",
		"listeners: {web: {address: x, port: 70000}}\nclusters: {c: {endpoints: [], connect: {tries: -129}}}\n",
		`g.yaml:1:37: listeners.web.port: 70000 is out of range; it must be between 0 and 65535
g.yaml:2:48: clusters.c.connect.tries: -129 is out of range; it must be between -128 and 127`,
	},
	{
		"negative for unsigned",
		"listeners: {web: {address: x, port: -1}}\n",
		`g.yaml:1:37: listeners.web.port: -1 is out of range; it must be between 0 and 65535`,
	},
	{
		"fraction for whole",
		"listeners: {web: {address: x, port: 1.5, ratio: .inf}}\n",
		`g.yaml:1:37: listeners.web.port: expected a whole number such as 8, found the number 1.5
g.yaml:1:49: listeners.web.ratio: .inf is no finite number; write one such as 0.5`,
	},
	{
		"leading zero",
		"listeners: {web: {address: x, port: 010}}\n",
		`g.yaml:1:37: listeners.web.port: 010 may mean octal; write 0o10 for octal or leave the zeros out`,
	},
	{
		"boolean as word",
		"listeners: {web: {address: x}}\nruntime: {pin: yes}\n",
		`g.yaml:2:16: runtime.pin: expected true or false, found the string "yes"; did you mean true?`,
	},
	{
		"list for a string",
		"listeners:\n  web:\n    address:\n      - x\n",
		`g.yaml:3:5: listeners.web.address: expected a string such as "text", found a list`,
	},
	{
		"string for a list",
		"listeners: {web: {address: x}}\ntrusted: 10.0.0.0/8\n",
		`g.yaml:2:10: trusted: expected a list such as [a, b], found the string "10.0.0.0/8"`,
	},
	{
		"scalar for a mapping",
		"listeners: {web: here}\nruntime: fast\n",
		`g.yaml:1:18: listeners.web: expected a mapping with keys such as address, protocol, routes, found the string "here"
g.yaml:2:10: runtime: expected a mapping with keys such as driver, loops, pin, found the string "fast"`,
	},
	{
		"list for a mapping",
		"listeners:\n  - web\n",
		`g.yaml:1:1: listeners: expected a mapping such as {name: value}, found a list`,
	},
	{
		"list for a mapping in a struct",
		"listeners: {web: {address: x}}\nruntime: [a]\nclusters: {c: {endpoints: [[a]]}}\n",
		`g.yaml:2:10: runtime: expected a mapping with keys such as driver, loops, pin, found a list
g.yaml:3:28: clusters.c.endpoints[0]: expected a mapping with keys such as address, weight, or its short form, found a list`,
	},
	{
		"null",
		"listeners:\nclusters: ~\nadmin:\n",
		`g.yaml:1:1: listeners: expected a mapping such as {name: value}, found nothing
g.yaml:2:1: clusters: expected a mapping such as {name: value}, found nothing
g.yaml:3:1: admin: expected a mapping with keys such as address, pprof, found nothing`,
	},
	{
		"null in a list",
		"listeners: {web: {address: x, routes: [~]}}\n",
		`g.yaml:1:40: listeners.web.routes[0]: expected a mapping with keys such as host, path, share, found nothing; did you mean {}?`,
	},
	{
		"duration",
		"listeners: {web: {address: x, timeout: 30}, b: {address: x, timeout: 5 min}, c: {address: x, timeout: -1s}, d: {address: x, timeout: soon}}\n",
		`g.yaml:1:40: listeners.web.timeout: expected a duration such as 2s, 150ms or off, found "30"; did you mean "30s"?
g.yaml:1:70: listeners.b.timeout: expected a duration such as 2s, 150ms or off, found "5 min"; did you mean "5m"?
g.yaml:1:103: listeners.c.timeout: a duration cannot be negative, found "-1s"
g.yaml:1:134: listeners.d.timeout: expected a duration such as 2s, 150ms or off, found "soon"`,
	},
	{
		"size",
		"listeners: {web: {address: x, max_body: 10M}, b: {address: x, max_body: 64kib}, c: {address: x, max_body: 99999999TiB}, d: {address: x, max_body: -1}}\n",
		`g.yaml:1:41: listeners.web.max_body: expected a size such as 64KiB, 10MiB or a number of bytes, found "10M"; did you mean "10MiB"?
g.yaml:1:73: listeners.b.max_body: expected a size such as 64KiB, 10MiB or a number of bytes, found "64kib"; did you mean "64KiB"?
g.yaml:1:107: listeners.c.max_body: "99999999TiB" is out of range; at most 8388607TiB
g.yaml:1:147: listeners.d.max_body: expected a size such as 64KiB, 10MiB or a number of bytes, found "-1"`,
	},
	{
		"rate",
		"listeners: {web: {address: x, routes: [{filters: [{rate_limit: {rate: 100}}, {rate_limit: {rate: 5/sec}}, {rate_limit: {rate: 0/s}}]}]}}\n",
		`g.yaml:1:71: listeners.web.routes[0].filters[0].rate_limit.rate: expected a rate such as 100/s, 10/m or 5000/h, found "100"; did you mean "100/s"?
g.yaml:1:98: listeners.web.routes[0].filters[1].rate_limit.rate: expected a rate such as 100/s, 10/m or 5000/h, found "5/sec"; did you mean "5/s"?
g.yaml:1:127: listeners.web.routes[0].filters[2].rate_limit.rate: expected a rate such as 100/s, 10/m or 5000/h, found "0/s"`,
	},
	{
		"auto",
		"listeners: {web: {address: x}}\nruntime: {loops: 0}\n",
		`g.yaml:2:18: runtime.loops: expected auto or a positive number such as 4, found "0"`,
	},
	{
		"null where {} would do",
		"listeners: {web: {address: x}}\nruntime:\nclusters: {c: {endpoints: [~]}}\n",
		`g.yaml:2:1: runtime: expected a mapping with keys such as driver, loops, pin, found nothing; did you mean {}?
g.yaml:3:28: clusters.c.endpoints[0]: expected a mapping with keys such as address, weight, or its short form, found nothing`,
	},
	{
		"auto misspelt",
		"listeners: {web: {address: x}}\nruntime: {loops: atuo}\n",
		`g.yaml:2:18: runtime.loops: expected auto or a positive number such as 4, found "atuo"; did you mean "auto"?`,
	},
	{
		"regexp",
		"listeners: {web: {address: x, routes: [{path: \"a(b\"}]}}\n",
		`g.yaml:1:47: listeners.web.routes[0].path: not a regular expression (RE2): missing closing ) in "a(b"`,
	},
	{
		"prefix",
		"listeners: {web: {address: x}}\ntrusted: [10.0.0.1/8, nowhere, 7]\n",
		`g.yaml:2:11: trusted[0]: "10.0.0.1/8" has bits set beyond its length; did you mean "10.0.0.0/8"?
g.yaml:2:23: trusted[1]: expected a network such as 10.0.0.0/8 or an address such as 10.0.0.1, found "nowhere"
g.yaml:2:32: trusted[2]: expected a network such as 10.0.0.0/8 or an address such as 10.0.0.1, found the number 7`,
	},
	{
		"text of another package",
		"listeners: {web: {address: x}}\nadmin: {address: here}\n",
		`g.yaml:2:18: admin.address: not an ip:port`,
	},
	{
		"short form",
		"listeners: {web: {address: x}}\nclusters: {c: {endpoints: [localhost, 3000]}}\n",
		`g.yaml:2:28: clusters.c.endpoints[0]: an endpoint needs a port; did you mean "localhost:80"?
g.yaml:2:39: clusters.c.endpoints[1]: an endpoint needs a port; did you mean "3000:80"?`,
	},
	{
		"one of none",
		"listeners: {web: {address: x, routes: [{filters: [{name: a}]}]}}\n",
		`g.yaml:1:51: listeners.web.routes[0].filters[0]: expected one of the keys headers, rate_limit`,
	},
	{
		"one of two",
		"listeners: {web: {address: x, routes: [{filters: [{headers: {}, rate_limit: {rate: 1/s}}]}]}}\n",
		`g.yaml:1:65: listeners.web.routes[0].filters[0].rate_limit: only one of headers, rate_limit may stand here, and headers stands already`,
	},
	{
		"one of misspelt",
		"listeners: {web: {address: x, routes: [{filters: [{header: {}}]}]}}\n",
		`g.yaml:1:52: listeners.web.routes[0].filters[0].header: unknown key; did you mean "headers"?`,
	},
	{
		"lifted validator",
		"listeners: {web: {address: x, routes: [{share: -1}]}}\n",
		`g.yaml:1:48: listeners.web.routes[0].share: a share cannot be negative`,
	},
	{
		"dangling reference",
		"listeners: {web: {address: x, routes: [{cluster: apj}, {cluster: other}]}}\nclusters: {api: {endpoints: [\"a:1\"]}}\n",
		`g.yaml:1:50: listeners.web.routes[0].cluster: unknown cluster "apj"; did you mean "api"?
g.yaml:1:66: listeners.web.routes[1].cluster: unknown cluster "other"; known here: api`,
	},
	{
		"dangling reference without any",
		"listeners: {web: {address: x, routes: [{cluster: api}]}}\n",
		`g.yaml:1:50: listeners.web.routes[0].cluster: unknown cluster "api"; none is known here`,
	},
	{
		"validator at a key, and with a suggestion",
		"listeners: {web: {address: nowhere, protocol: tcp, max_body: 1}}\n",
		`g.yaml:1:28: listeners.web.address: no such address "nowhere"; did you mean "127.0.0.1:80"?
g.yaml:1:62: listeners.web.max_body: max_body is for protocol http`,
	},
	{
		"validator is silent on what is broken",
		"listeners: {web: {address: x, protocol: udp, port: many}}\n",
		`g.yaml:1:52: listeners.web.port: expected a whole number such as 8, found the string "many"`,
	},
	{
		"path with dots",
		"listeners: {\"a.b\": {address: x, routes: [{filters: [{headers: {set: {X.Y: 1, Z: 2}}}]}]}}\n",
		`g.yaml:1:75: listeners["a.b"].routes[0].filters[0].headers.set["X.Y"]: expected a string such as "text", found the number 1; did you mean "1"?
g.yaml:1:81: listeners["a.b"].routes[0].filters[0].headers.set.Z: expected a string such as "text", found the number 2; did you mean "2"?`,
	},
	{
		"key that is no string",
		"listeners: {[a]: {address: x}, ~: {}, \"\": {}}\n",
		`g.yaml:1:13: listeners[""]: a key must be a string, found a list
g.yaml:1:32: listeners["~"]: a key must be a string, found nothing
g.yaml:1:39: listeners[""]: a key must not be empty`,
	},
	{
		"unknown tag",
		"listeners: {web: {address: !env HOST}}\n",
		`g.yaml:1:28: listeners.web.address: the tag !env is not known here; leave it out`,
	},
	{
		"wrong in an anchor, used twice",
		"listeners:\n  a: &a {address: x, port: many}\n  b: *a\n  c: {<<: *a}\n",
		`g.yaml:2:28: listeners.a.port: expected a whole number such as 8, found the string "many"`,
	},
	{
		"alias of the wrong type",
		"listeners: {a: {address: &x here}}\nruntime: *x\n",
		`g.yaml:2:10: runtime: expected a mapping with keys such as driver, loops, pin, found the string "here"`,
	},
	{
		"anchor in itself",
		"listeners: {a: &a {address: x, routes: *a}}\n",
		`g.yaml:1:40: listeners.a.routes: the value of anchor &a contains itself`,
	},
	{
		"merge with itself",
		"listeners: {a: &a {address: x, <<: *a}}\n",
		`g.yaml:1:32: listeners.a["<<"]: a merge key names a mapping that it stands in`,
	},
	{
		"merge of a scalar",
		"listeners: {a: {address: x, <<: 1}, b: {address: x, <<: [1]}}\n",
		`g.yaml:1:29: listeners.a["<<"]: a merge key takes a mapping or a list of them, found the number 1
g.yaml:1:58: listeners.b["<<"][0]: a merge key takes mappings, found the number 1`,
	},
	{
		"two merge keys",
		"listeners: {a: &a {address: x}, b: {<<: *a, <<: *a}}\n",
		`g.yaml:1:45: listeners.b["<<"]: duplicate merge key; the first stands on line 1, and it takes a list`,
	},
	{
		"empty",
		"",
		`g.yaml:1:1: the file is empty; expected a mapping such as key: value`,
	},
	{
		"comments only",
		"# nothing\n\n",
		`g.yaml:1:1: the file is empty; expected a mapping such as key: value`,
	},
	{
		"null document",
		"---\n",
		`g.yaml:1:1: the file is empty; expected a mapping such as key: value`,
	},
	{
		"explicit null document",
		"null\n",
		`g.yaml:1:1: expected a mapping with keys such as listeners, clusters, admin, found nothing`,
	},
	{
		"list document",
		"- a\n",
		`g.yaml:1:1: expected a mapping with keys such as listeners, clusters, admin, found a list`,
	},
	{
		"two documents",
		"listeners: {a: {address: x}}\n---\nlisteners: {}\n",
		`g.yaml:2:1: a second document starts here; one file holds one`,
	},
	{
		"error in the second document",
		"listeners: {a: {address: x}}\n---\na: [\n",
		`g.yaml:3:4: expected a value here`,
	},
	{
		"tab",
		"listeners:\n  web:\n\taddress: x\n",
		`g.yaml:3:1: a tab cannot indent YAML; use spaces`,
	},
	{
		"unclosed list",
		"listeners:\n  web:\n    routes: [1, 2\n    address: x\nclusters: {}\n",
		`g.yaml:3:13: a list that starts with [ is not continued with , or closed with ]`,
	},
	{
		"unclosed mapping",
		"listeners: {web: {address: x}\n",
		`g.yaml:1:12: a mapping that starts with { is not continued with , or closed with }`,
	},
	{
		"unclosed quote",
		"listeners:\n  web:\n    address: \"x\nclusters: {}\n",
		`g.yaml:3:14: a quoted string is never closed`,
	},
	{
		"indentation",
		"listeners:\n  web:\n    address: x\n   protocol: tcp\n",
		`g.yaml:4:4: expected a key here; it does not line up with the keys above`,
	},
	{
		"list and key mixed",
		"trusted:\n  - 10.0.0.0/8\n  b: c\n",
		`g.yaml:3:3: expected "- " here, as on the list's lines above`,
	},
	{
		"missing colon",
		"listeners: {}\nclusters\nadmin: {}\n",
		`g.yaml:2:1: expected ": " after the key`,
	},
	{
		"two colons",
		"listeners: {}\na: b: c\n",
		`g.yaml:2:5: a second ": " or a deeper key after a value; quote the value or fix the indentation`,
	},
	{
		"too many brackets",
		"listeners: {a: {address: x}}}\n",
		`g.yaml:1:29: this } closes nothing`,
	},
	{
		"closing bracket alone",
		"trusted:\n  b: ]\n",
		`g.yaml:2:6: this ] closes nothing`,
	},
	{
		"unknown anchor",
		"listeners: {}\nclusters: {a: *nope}\n",
		`g.yaml:2:15: no anchor &nope stands above this alias`,
	},
	{
		"bad escape",
		"listeners: {}\nadmin: \"a\\qb\"\n",
		`g.yaml:2:10: unknown escape in a double-quoted string; write \\ for a backslash`,
	},
	{
		"reserved character",
		"listeners: {}\nadmin: @here\n",
		`g.yaml:2:8: this character cannot start a value; quote the value`,
	},
	{
		"reserved character in a long list",
		"trusted: [\n  a,\n  b,\n  `c,\n]\n",
		`g.yaml:4:3: this character cannot start a value; quote the value`,
	},
	{
		"not UTF-8",
		"listeners: {}\nadmin: é\xff\n",
		`g.yaml:2:9: byte 0xFF is not UTF-8`,
	},
	{
		"control character",
		"listeners: {}\nadmin: a\x01\n",
		`g.yaml:2:9: character U+0001 is not allowed in YAML; write it escaped in double quotes`,
	},
	{
		"too short indentation in a block scalar",
		"a: |\n    x\n  y\nb: 1\n",
		`g.yaml:3:3: expected a key here; it does not line up with the keys above`,
	},
	{
		"yaml version",
		"%YAML 3.0\n---\na: 1\n",
		`g.yaml:1:1: found incompatible YAML document`,
	},
}
