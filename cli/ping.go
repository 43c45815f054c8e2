package cli

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/sys"
)

// Exit statuses of ping, after fping's conventions.
const (
	pingUnreachable = 1 // some target did not answer
	pingUnresolved  = 2 // some name has no address
	pingUsage       = 3
	pingSystem      = 4
)

// exitError ends the program with a status of its own; err may be nil, if all has been said.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit status " + strconv.Itoa(e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func pingUsageError(format string, args ...any) error {
	return &exitError{pingUsage, usage(format, args...)}
}

// pingFlags are the command line as it was typed.
type pingFlags struct {
	rate, totalRate    float64
	interval, duration seconds
	count              uint64
	size               int
	sweep, pattern     string
	timeout, late      seconds
	delay              seconds
	tos, dscp, ecn     number
	ttl, maxHops       int
	dontFragment       bool
	only4, only6, all  bool
	files, sources     []string
	device             string
	socket, stamps     string
	maxTargets         int
	json, plain, quiet bool
	listen, report     string
	trace, mtu         bool
	paced              bool // a rate or an interval was given
}

func pingCommand() *cobra.Command {
	var f pingFlags
	c := &cobra.Command{
		Use:   "ping [flags] TARGET...",
		Short: "Probe many hosts at once by ICMP: true loss, true latency",
		Long: `Probe many hosts at once by ICMP echo and say what became of each probe.

A target is an address, a name, a block (10.0.0.0/24) or a range (10.0.0.1-10.0.0.9, 10.0.0.1-9); several may stand between commas.
Exit status: 0 all targets answered, 1 some did not, 2 some name has no address, 3 wrong usage, 4 the system refused.`,
		Example: `  ringway ping 192.0.2.1 example.com            # once a second each, until Ctrl-C
  ringway ping -r 100 -c 1000 10.0.0.0/28 --json
  ringway ping --trace example.com example.org  # all hops of both at once
  ringway ping --mtu 192.0.2.1                  # the path's MTU
  ringway ping -f hosts.txt --listen 127.0.0.1:9901 --report ping.html`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return ping(cmd, &f, args) },
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{pingUsage, &usageError{err}} })
	f.register(c.Flags())
	return c
}

func (f *pingFlags) register(s *pflag.FlagSet) {
	f.delay, f.timeout, f.late = seconds(3*time.Second), seconds(time.Second), seconds(time.Second)
	s.Float64VarP(&f.rate, "rate", "r", 1, "probes a second to each target")
	s.Float64Var(&f.totalRate, "total-rate", 0, "probes a second to all targets together, instead of --rate")
	s.VarP(&f.interval, "interval", "i", "time between probes of one target, instead of --rate")
	s.Uint64VarP(&f.count, "count", "c", 0, "probes for each target; 0 goes on until Ctrl-C")
	s.Var(&f.duration, "duration", "stop sending after this time")
	s.IntVarP(&f.size, "size", "s", probe.DefaultSize, "bytes of payload, 16 or more")
	s.StringVar(&f.sweep, "sweep", "", "sizes in turn, FROM:TO:STEP, instead of --size")
	s.StringVarP(&f.pattern, "pattern", "p", "random", "payload: random, zeros, ones, alternating, or hexadecimal bytes")
	s.VarP(&f.timeout, "timeout", "w", "how long an answer may take")
	s.Var(&f.late, "late", "how long after the timeout an answer is still known as late")
	s.VarP(&f.delay, "delay", "d", "time between reports")
	s.VarP(&f.tos, "tos", "z", "TOS byte (traffic class in IPv6)")
	s.Var(&f.dscp, "dscp", "differentiated services code point, 0 to 63")
	s.Var(&f.ecn, "ecn", "explicit congestion notification bits, 0 to 3")
	s.IntVarP(&f.ttl, "ttl", "t", 0, "time to live (hop limit in IPv6); 0 is the system's")
	s.BoolVarP(&f.dontFragment, "dont-fragment", "M", false, "forbid fragmentation on the way")
	s.BoolVarP(&f.only4, "ipv4", "4", false, "IPv4 only")
	s.BoolVarP(&f.only6, "ipv6", "6", false, "IPv6 only")
	s.BoolVarP(&f.all, "all-addresses", "m", false, "every address of a name, not only its first")
	s.StringSliceVarP(&f.files, "file", "f", nil, "read targets from a file; - is standard input")
	s.StringSliceVarP(&f.sources, "source", "S", nil, "source address; one of each family may be given")
	s.StringVarP(&f.device, "interface", "I", "", "network interface to send on")
	s.StringVar(&f.socket, "socket", "auto", "raw (needs CAP_NET_RAW), datagram, or auto")
	s.StringVar(&f.stamps, "timestamps", "auto", "best clock to use: auto, hardware (switches the card of --interface on), software, receive-ns, receive-us, user")
	s.IntVar(&f.maxTargets, "max-targets", probe.DefaultMaxTargets, "how many targets blocks and ranges may come to")
	s.BoolVar(&f.json, "json", false, "one JSON object a report, and one for the summary")
	s.BoolVar(&f.plain, "plain", false, "lines instead of the live table, on a terminal too")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "the summary only")
	s.StringVar(&f.listen, "listen", "", "address for Prometheus to scrape, as 127.0.0.1:9901")
	s.StringVar(&f.report, "report", "", "write a page of HTML with charts to this file at the end")
	s.BoolVar(&f.trace, "trace", false, "find the way to each target, all hops at once")
	s.IntVar(&f.maxHops, "max-hops", probe.DefaultMaxHops, "hops that --trace looks for")
	s.BoolVar(&f.mtu, "mtu", false, "search the path's MTU to each target")
}

// seconds is a time, typed as 1.5s or as a number of seconds.
type seconds time.Duration

func (d *seconds) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}
func (d *seconds) Type() string { return "time" }
func (d *seconds) Set(s string) error {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		if !(v >= 0 && v < 1e9) {
			return errors.New("not a time")
		}
		*d = seconds(v * float64(time.Second))
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return errors.New("not a time, as 2, 1.5s or 300ms")
	}
	*d = seconds(v)
	return nil
}

// number is a small number that may be typed in hexadecimal; -1 if it was not given.
type number struct {
	v   int
	set bool
}

func (n *number) String() string {
	if !n.set {
		return ""
	}
	return strconv.Itoa(n.v)
}
func (n *number) Type() string { return "number" }
func (n *number) Set(s string) error {
	v, err := strconv.ParseUint(s, 0, 8)
	if err != nil {
		return errors.New("not a number from 0 to 255")
	}
	n.v, n.set = int(v), true
	return nil
}

// options turns the flags into what a prober takes.
func (f *pingFlags) options() (o probe.Options, err error) {
	if !(f.rate > 0) || !(f.totalRate >= 0) {
		return o, pingUsageError("a rate is above nought")
	}
	if f.maxHops < 1 || f.maxHops > 255 {
		return o, pingUsageError("--max-hops is 1 to 255, not %d", f.maxHops)
	}
	o = probe.Options{Interval: time.Duration(float64(time.Second) / f.rate), TotalRate: f.totalRate, Count: f.count, Duration: time.Duration(f.duration),
		Size: f.size, Timeout: time.Duration(f.timeout), Late: time.Duration(f.late), TTL: f.ttl, DontFragment: f.dontFragment, Interface: f.device}
	if f.interval > 0 {
		o.Interval = time.Duration(f.interval)
	}
	if f.sweep != "" {
		if n, _ := fmt.Sscanf(f.sweep+":", "%d:%d:%d:", &o.Size, &o.SizeMax, &o.SizeStep); n != 3 || o.SizeStep <= 0 || o.SizeMax < o.Size {
			return o, pingUsageError("--sweep is FROM:TO:STEP, not %q", f.sweep)
		}
	}
	if o.TOS, err = f.tosByte(); err != nil {
		return o, err
	}
	if o.Pattern, err = probe.ParsePattern(f.pattern); err != nil {
		return o, pingUsageError("%v", err)
	}
	for _, s := range f.sources {
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			return o, pingUsageError("--source: %q is no address", s)
		case a.Is4():
			o.Source4 = a
		default:
			o.Source6 = a
		}
	}
	return o, f.kinds(&o)
}

func (f *pingFlags) tosByte() (int, error) {
	if f.dscp.v > 63 || f.ecn.v > 3 {
		return 0, pingUsageError("--dscp is 0 to 63, --ecn 0 to 3")
	}
	if f.tos.set && (f.dscp.set || f.ecn.set) {
		return 0, pingUsageError("--tos is the whole byte: give it, or --dscp and --ecn")
	}
	return f.tos.v | f.dscp.v<<2 | f.ecn.v, nil
}

// kinds reads the words that choose sockets and clocks.
func (f *pingFlags) kinds(o *probe.Options) error {
	for _, k := range []probe.SocketKind{probe.Auto, probe.Raw, probe.Datagram} {
		if f.socket == k.String() {
			o.Sockets = k
			f.socket = ""
			break
		}
	}
	if f.socket != "" {
		return pingUsageError("--socket is auto, raw or datagram, not %q", f.socket)
	}
	if f.stamps == "auto" {
		return nil
	}
	for d := probe.User; d <= probe.Hardware; d++ {
		if f.stamps == d.String() {
			o.Domain = d
		}
	}
	switch {
	case o.Domain == probe.NoDomain:
		return pingUsageError("--timestamps is auto, hardware, software, receive-ns, receive-us or user, not %q", f.stamps)
	case o.Domain == probe.Hardware && f.device == "":
		return pingUsageError("--timestamps hardware needs --interface: it switches stamps on in that card")
	case o.Domain == probe.Hardware:
		if err := sys.EnableHardwareStamps(f.device); err != nil {
			return &exitError{pingSystem, fmt.Errorf("%s cannot stamp packets in hardware: %w", f.device, err)}
		}
	}
	return nil
}

// targets reads the targets of the command line and of files.
func (f *pingFlags) targets(args []string, stdin io.Reader) ([]probe.Target, error) {
	if f.only4 && f.only6 {
		return nil, pingUsageError("-4 and -6 exclude each other")
	}
	words := append([]string(nil), args...)
	for _, name := range f.files {
		more, err := readTargets(name, stdin)
		if err != nil {
			return nil, &exitError{pingSystem, err}
		}
		words = append(words, more...)
	}
	if len(words) == 0 {
		return nil, pingUsageError("which target?")
	}
	list, err := probe.Parse(words, f.maxTargets)
	if err != nil {
		var many *probe.TooManyError
		if errors.As(err, &many) {
			err = fmt.Errorf("%w: --max-targets", err)
		}
		return nil, pingUsageError("%w", err)
	}
	if len(list) == 0 {
		return nil, pingUsageError("%s holds no target", strings.Join(f.files, ", "))
	}
	return list, nil
}

func readTargets(name string, stdin io.Reader) ([]string, error) {
	if name == "-" {
		return probe.ReadList(stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return probe.ReadList(file)
}
