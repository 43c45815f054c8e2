// Package report writes down what a prober found: lines of text (text.go), JSON (json.go), Prometheus metrics (metrics.go), and
// a page of HTML with charts (page.go, chart.go), for which history.go keeps what each period brought.
//
// Start reading at text.go: the other forms hold the same figures. All of them take a probe.Snapshot and keep nothing of it.
//
// The command line (cli/ping.go) and probe/live call it; anyone who runs a prober may.
package report
