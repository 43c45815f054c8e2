package report

import (
	"html/template"
	"io"

	"github.com/ringway/ringway/probe"
)

// pageView is what the template is given.
type pageView struct {
	Snapshot *probe.Snapshot
	Chart    template.HTML
	Rows     []rowView
	Notes    []string
	Losses   string
}

type rowView struct {
	Stats   *probe.TargetStats
	Chart   template.HTML
	Losses  string
	Trouble string
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"duration": Duration,
	"percent":  Percent,
	"title":    func(t *probe.TargetStats) string { return Title(&t.Target) },
	"answered": func(c *probe.Counters) uint64 { return c.Of(probe.Answered) },
	"counters": func(t *probe.TargetStats) *probe.Counters { return &t.Counters },
}).Parse(pageText))

const pageText = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>ringway ping</title>
<style>
:root{color-scheme:light dark;--ink:#1b2733;--soft:#66788a;--line:#d9e0e7;--band:#9cc9ee;--mean:#0b63a8;--loss:#c62828;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e4ebf1;--soft:#93a4b4;--line:#2c3a47;--band:#274f70;--mean:#7cc0f5;--loss:#ff6b60;--ground:#10171e}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}p,figcaption{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child,td.t{text-align:left}.bad{color:var(--loss)}
div.scroll{overflow-x:auto}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}
.g{stroke:var(--line)}.b{fill:var(--band);opacity:.6}.m{fill:none;stroke:var(--mean);stroke-width:1.5}circle.m{fill:var(--mean)}.l{fill:var(--loss)}
figure{margin:1rem 0}
</style></head><body>
{{with .Snapshot}}<h1>ringway ping: {{len .Targets}} {{if eq (len .Targets) 1}}target{{else}}targets{{end}}, loss {{percent .Total.Loss}}</h1>
<p>{{.Total.Sent}} probes in {{duration .Elapsed}}, until {{.At.Format "2006-01-02 15:04:05 MST"}}; {{answered .Total}} answered.
{{range .ByDomain}}{{.Count}} times measured by {{.Domain.Describe}}. {{end}}</p>{{end}}
{{with .Losses}}<p class="bad">{{.}}</p>{{end}}
{{range .Notes}}<p class="bad">{{.}}</p>{{end}}
<figure>{{.Chart}}<figcaption>Least to largest round-trip time of each period, with the mean; red is the share that was lost.</figcaption></figure>
<div class="scroll"><table><thead><tr><th>target</th><th>sent</th><th>loss</th><th>min</th><th>avg</th><th>p50</th><th>p90</th><th>p99</th><th>max</th><th>jitter</th><th></th></tr></thead><tbody>
{{range .Rows}}{{with .Stats}}<tr><td>{{title .}}</td>{{if .Err}}<td class="t bad" colspan="10">{{.Err}}</td>{{else}}<td>{{.Sent}}</td><td{{if .Lost}} class="bad"{{end}}>{{percent .Loss}}</td>{{with .Latency}}{{if .Count}}<td>{{duration .Min}}</td><td>{{duration .Avg}}</td><td>{{duration .P50}}</td><td>{{duration .P90}}</td><td>{{duration .P99}}</td><td>{{duration .Max}}</td><td>{{duration .Jitter}}</td>{{else}}<td colspan="7"></td>{{end}}{{end}}{{end}}{{end}}{{if not .Stats.Err}}<td class="t">{{.Losses}}{{with .Trouble}}; {{.}}{{end}}</td>{{end}}</tr>
{{end}}</tbody></table></div>
{{range .Rows}}{{if .Chart}}<h2>{{title .Stats}}</h2><figure>{{.Chart}}</figure>{{end}}
{{end}}</body></html>
`

// Page writes a page of HTML that needs nothing from elsewhere: the figures, a chart of all targets, and one of each if they
// are not too many.
func Page(w io.Writer, s *probe.Snapshot, h *History) error {
	v := pageView{Snapshot: s, Chart: chart(h.All.all()), Notes: Notes(s), Losses: Losses(&s.Total)}
	for i := range s.Targets {
		t := &s.Targets[i]
		r := rowView{Stats: t, Losses: Losses(&t.Counters), Trouble: Trouble(t)}
		if len(s.Targets) > 1 && len(h.Targets) == len(s.Targets) && t.Err == nil {
			r.Chart = chart(h.Targets[i].all())
		}
		v.Rows = append(v.Rows, r)
	}
	return page.Execute(w, v)
}
