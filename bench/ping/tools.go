package main

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// tool is a program to compare.
type tool struct {
	name    string
	path    string
	install string
	args    func(l load, d time.Duration) []string
	// read takes what the tool claims from its output.
	read func(output string) (claim, error)
}

// claim is what a tool says of its run.
type claim struct {
	sent, lost uint64
	p50, p99   time.Duration // nought if it has none
	stamps     string
}

func allTools(ringway, mping string) []tool {
	return []tool{
		{"ringway ping", ringway, "", ringwayArgs, readRingway},
		{"fping", "fping", "The package fping brings it.", fpingArgs, readFping},
		{"mping", mping, "go install github.com/smallnest/mping@latest brings it, where the module proxy has it.", mpingArgs, readMping},
	}
}

func ringwayArgs(l load, d time.Duration) []string {
	return []string{"ping", "--json", "-d", "3600", "-r", strconv.Itoa(l.rate), "-c", strconv.Itoa(rounds(l, d)), l.targets}
}

// rounds is how many probes each target gets.
func rounds(l load, d time.Duration) int { return max(int(d.Seconds()*float64(l.rate)), 1) }

func readRingway(output string) (claim, error) {
	var o struct {
		Type  string
		Total struct {
			Sent, Answered uint64
			RTT            struct{ P50, P99 float64 } `json:"rtt_us"`
		}
		Clocks []struct{ Domain string }
	}
	if err := json.Unmarshal([]byte(output), &o); err != nil || o.Type != "summary" {
		return claim{}, fmt.Errorf("no summary in %.200q: %w", output, err)
	}
	c := claim{sent: o.Total.Sent, lost: o.Total.Sent - o.Total.Answered, p50: micros(o.Total.RTT.P50), p99: micros(o.Total.RTT.P99)}
	for _, k := range o.Clocks {
		c.stamps = strings.TrimPrefix(c.stamps+", "+k.Domain, ", ")
	}
	return c, nil
}

func micros(v float64) time.Duration { return time.Duration(math.Round(v * 1e3)) }

func fpingArgs(l load, d time.Duration) []string {
	from, to, _ := strings.Cut(l.targets, "-")
	// fping paces by the pause between any two packets (-i) and between two to one target (-p), both in milliseconds.
	return []string{"-q", "-c", strconv.Itoa(rounds(l, d)), "-i", strconv.FormatFloat(1000/float64(l.count*l.rate), 'f', -1, 64),
		"-p", strconv.FormatFloat(1000/float64(l.rate), 'f', -1, 64), "-t", "1000", "-g", from, to}
}

var fpingLine = regexp.MustCompile(`(?m): xmt/rcv/%loss = (\d+)/(\d+)/`)

func readFping(output string) (claim, error) {
	c, err := tally("fping", fpingLine, output)
	c.stamps = "receive-ns" // SO_TIMESTAMPNS, against its own clock at the sending
	return c, err
}

// tally adds up the lines of an output that tell of packets sent and received: expr finds the two numbers.
func tally(name string, expr *regexp.Regexp, output string) (c claim, err error) {
	for _, m := range expr.FindAllStringSubmatch(output, -1) {
		sent, err := strconv.ParseUint(m[1], 10, 63)
		if err != nil {
			return c, err
		}
		received, err := strconv.ParseUint(m[2], 10, 63)
		if err != nil {
			return c, err
		}
		c.sent += sent
		c.lost += sent - min(received, sent)
	}
	if c.sent == 0 {
		return c, fmt.Errorf("%s reported nothing that could be read", name)
	}
	return c, nil
}

func mpingArgs(l load, d time.Duration) []string {
	return []string{"-r", strconv.Itoa(l.rate), "-c", strconv.Itoa(rounds(l, d)), expand(l.targets)}
}

// expand lists the addresses of a range with commas between, as mping takes them.
func expand(targets string) string {
	var b strings.Builder
	for a := range addresses(targets) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(a.String())
	}
	return b.String()
}

var mpingLine = regexp.MustCompile(`sent: *(\d+), *recv: *(\d+)`)

// readMping adds up the lines of all seconds and targets.
func readMping(output string) (claim, error) { return tally("mping", mpingLine, output) }
