package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// ResolveOptions says which addresses of names are wanted.
type ResolveOptions struct {
	Only4, Only6 bool
	All          bool // every address of a name, instead of its first
}

// lookups is how many names are resolved at the same time.
const lookups = 32

// Resolve gives names their addresses. A name that has none keeps its error and stops nobody else: the target stays in the
// list, and is not probed. Addresses of a family that is not wanted become such errors too.
func Resolve(ctx context.Context, targets []Target, o ResolveOptions) []Target {
	found := make([][]Target, len(targets))
	slots := make(chan struct{}, lookups)
	var wg sync.WaitGroup
	for i, t := range targets {
		if t.Addr.IsValid() || t.Err != nil {
			found[i] = []Target{checkFamily(t, o)}
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i] = lookup(ctx, t, o)
		})
	}
	wg.Wait()
	var out []Target
	seen := map[netip.Addr]bool{}
	for _, list := range found {
		for _, t := range list {
			if t.Err == nil {
				if seen[t.Addr] {
					continue
				}
				seen[t.Addr] = true
			}
			out = append(out, t)
		}
	}
	return out
}

func checkFamily(t Target, o ResolveOptions) Target {
	switch {
	case t.Err != nil:
	case o.Only4 && !t.Addr.Is4():
		t.Err = errors.New("only IPv4 was asked for")
	case o.Only6 && !t.Addr.Is6():
		t.Err = errors.New("only IPv6 was asked for")
	case t.Addr.IsMulticast() || t.Addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		t.Err = errors.New("many hosts would answer: multicast and broadcast addresses are not probed")
	case t.Addr.IsUnspecified():
		t.Err = errors.New("no host has this address")
	}
	return t
}

func lookup(ctx context.Context, t Target, o ResolveOptions) []Target {
	network := "ip"
	if o.Only4 {
		network = "ip4"
	} else if o.Only6 {
		network = "ip6"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, t.Name)
	if err == nil && len(addrs) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		t.Err = fmt.Errorf("cannot resolve %s: %w", t.Name, cause(err))
		return []Target{t}
	}
	if !o.All {
		addrs = addrs[:1]
	}
	var out []Target
	for _, a := range addrs {
		out = append(out, checkFamily(Target{Name: t.Name, Addr: a.Unmap()}, o))
	}
	return out
}

// cause leaves out what a lookup's error repeats: the name, and the server that was asked.
func cause(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return errors.New(dns.Err)
	}
	return err
}
