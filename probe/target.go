package probe

import (
	"bufio"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"strings"
)

// Target is a host to probe. A target whose Err is set is not probed and shown with its error.
type Target struct {
	Name string // as it was given; the address itself for one of a block
	Addr netip.Addr
	Err  error
}

// DefaultMaxTargets bounds how many addresses blocks and ranges may come to.
const DefaultMaxTargets = 65_536

// TooManyError says how many addresses something stands for, and that this is more than is allowed.
type TooManyError struct {
	What  string
	Count *big.Int
	Limit int
}

// Error names the count.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%s has %s addresses; at most %d are probed (the limit can be raised)", e.What, e.Count, e.Limit)
}

// Parse reads targets as people write them: addresses, names, blocks (10.0.0.0/24), ranges (10.0.0.1-10.0.0.9, 10.0.0.1-9), and
// several of these with commas between. Names get no address yet: see Resolve. A block of IPv4 stands for its hosts, without
// the network's own and the broadcast address, as fping has it; one of IPv6 for all its addresses. An address that
// was there before is left out. max bounds how many there may be; nought means DefaultMaxTargets.
//
// Nothing is expanded before it is counted, so that 0.0.0.0/0 is refused at once.
func Parse(words []string, max int) ([]Target, error) {
	if max <= 0 {
		max = DefaultMaxTargets
	}
	p := parser{max: max, seen: map[netip.Addr]bool{}, names: map[string]bool{}}
	for _, w := range words {
		for _, one := range strings.Split(w, ",") {
			if one = strings.TrimSpace(one); one == "" {
				continue
			}
			if err := p.word(one); err != nil {
				return nil, err
			}
		}
	}
	return p.out, nil
}

type parser struct {
	out   []Target
	max   int
	seen  map[netip.Addr]bool
	names map[string]bool
}

func (p *parser) word(w string) error {
	switch {
	case strings.Contains(w, "/"):
		return p.block(w)
	case p.isRange(w):
		return p.rangeOf(w)
	}
	if a, err := netip.ParseAddr(w); err == nil {
		return p.span(w, a.Unmap(), a.Unmap())
	}
	if err := validName(w); err != nil {
		return err
	}
	if !p.names[w] {
		p.names[w] = true
		return p.add(Target{Name: w})
	}
	return nil
}

// isRange tells 10.0.0.1-9 from a name with a hyphen.
func (p *parser) isRange(w string) bool {
	from, _, ok := strings.Cut(w, "-")
	_, err := netip.ParseAddr(from)
	return ok && err == nil
}

func (p *parser) block(w string) error {
	prefix, err := netip.ParsePrefix(w)
	if err != nil {
		return fmt.Errorf("%q is no address block like 10.0.0.0/24", w)
	}
	prefix = prefix.Masked()
	first, last := prefix.Addr(), lastOf(prefix)
	if first.Is4() && prefix.Bits() < 31 {
		if n := count(first, last); n.Cmp(big.NewInt(int64(p.max)+2)) > 0 {
			return &TooManyError{w, n, p.max}
		}
		first, last = first.Next(), last.Prev()
	}
	return p.span(w, first, last)
}

func (p *parser) rangeOf(w string) error {
	from, to, _ := strings.Cut(w, "-")
	first, err := netip.ParseAddr(from)
	if err != nil {
		return fmt.Errorf("%q is no range like 10.0.0.1-10.0.0.9", w)
	}
	last, err := netip.ParseAddr(to)
	if err != nil && first.Is4() { // only the last number
		last, err = netip.ParseAddr(from[:strings.LastIndexByte(from, '.')+1] + to)
	}
	if err != nil || first.BitLen() != last.BitLen() || last.Less(first) || first.Zone() != last.Zone() {
		return fmt.Errorf("%q is no range like 10.0.0.1-10.0.0.9", w)
	}
	return p.span(w, first.Unmap(), last.Unmap())
}

// span adds all addresses from first to last.
func (p *parser) span(w string, first, last netip.Addr) error {
	n := count(first, last)
	if n.Cmp(big.NewInt(int64(p.max))) > 0 {
		return &TooManyError{w, n, p.max}
	}
	for a := first; ; a = a.Next() {
		if !p.seen[a] {
			if err := p.add(Target{Name: a.String(), Addr: a}); err != nil {
				return err
			}
			p.seen[a] = true
		}
		if a == last {
			return nil
		}
	}
}

func (p *parser) add(t Target) error {
	if len(p.out) >= p.max {
		return &TooManyError{"the list of targets", big.NewInt(int64(len(p.out)) + 1), p.max}
	}
	p.out = append(p.out, t)
	return nil
}

// count is how many addresses there are from first to last.
func count(first, last netip.Addr) *big.Int {
	f, l := new(big.Int).SetBytes(first.AsSlice()), new(big.Int).SetBytes(last.AsSlice())
	return l.Sub(l, f).Add(l, big.NewInt(1))
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// maxName is the longest name of DNS in text (RFC 1035 §2.3.4).
const maxName = 253

func validName(w string) error {
	if len(w) > maxName {
		return fmt.Errorf("a name of %d bytes is longer than DNS allows", len(w))
	}
	for _, r := range w {
		if r <= ' ' || r == 0x7f {
			return fmt.Errorf("%q is neither an address nor a name", w)
		}
	}
	return nil
}

// ReadList reads targets from a file: one or more a line, blanks between, # begins a comment.
func ReadList(r io.Reader) ([]string, error) {
	var words []string
	s := bufio.NewScanner(r)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		words = append(words, strings.Fields(line)...)
	}
	return words, s.Err()
}
