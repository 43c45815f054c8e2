package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/ringway/ringway/conn"
)

// NameAddresses says which addresses of a name are used.
type NameAddresses string

// Which there are.
const (
	OneAddress   NameAddresses = "one"
	AllAddresses NameAddresses = "all"
)

// EnumValues are the words there are.
func (NameAddresses) EnumValues() []string { return []string{string(OneAddress), string(AllAddresses)} }

// resolve gives the addresses that the endpoint stands for.
func (e *EndpointSpec) resolve(ctx context.Context) ([]conn.Address, error) {
	_, err := netip.ParseAddrPort(e.Address)
	if err == nil || strings.HasPrefix(e.Address, "unix:") {
		a, err := conn.NewAddress(e.Address)
		return []conn.Address{a}, err
	}
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		return nil, err
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if ips = e.Addresses.of(ips); len(ips) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	all := make([]conn.Address, len(ips))
	for i, ip := range ips {
		if all[i], err = conn.AddressOf(netip.AddrPortFrom(ip, uint16(n))); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// of chooses among a name's addresses. All of them are in an order of their own, lest a resolver that changes its order seem to
// change the cluster. Of one, an IPv4 address is preferred: a server that listens on one family listens on that.
func (a NameAddresses) of(ips []netip.Addr) []netip.Addr {
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	if a == AllAddresses {
		slices.SortFunc(ips, netip.Addr.Compare)
		return slices.Compact(ips)
	}
	if i := slices.IndexFunc(ips, netip.Addr.Is4); i >= 0 {
		return ips[i : i+1]
	}
	return ips[:min(len(ips), 1)]
}
