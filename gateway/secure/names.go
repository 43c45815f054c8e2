package secure

import (
	"crypto/tls"
	"slices"
	"strings"
)

// offer is one certificate as a loop shows it: its signer is that loop's.
type offer struct {
	shown tls.Certificate
	of    *certificate
}

// names finds the certificates of a name. A loop has its own, made of a snapshot.
type names struct {
	exact    map[string][]*offer // those of the name itself, and behind them those that have it by a wildcard
	wildcard map[string][]*offer // by what follows "*."
	others   []*offer            // for who asks for none of them
	refuse   bool                // there is nothing for those
}

// newNames makes the names of certificates, whose order is the configuration's.
func newNames(list []*offer, refuse bool) *names {
	n := &names{exact: map[string][]*offer{}, wildcard: map[string][]*offer{}, refuse: refuse}
	for _, o := range list {
		for _, name := range o.of.names {
			if below, ok := strings.CutPrefix(name, "*."); ok {
				n.wildcard[below] = append(n.wildcard[below], o)
			} else {
				n.exact[name] = append(n.exact[name], o)
			}
		}
	}
	for _, m := range []map[string][]*offer{n.exact, n.wildcard} {
		for _, l := range m {
			slices.SortStableFunc(l, func(a, b *offer) int { return ecdsaFirst(a.of, b.of) })
		}
	}
	for name, l := range n.exact {
		for _, o := range n.wild(name) {
			if !slices.Contains(l, o) {
				l = append(l, o)
			}
		}
		n.exact[name] = l
	}
	if len(list) > 0 {
		n.others = n.like(list[0], list)
	}
	return n
}

// like are the certificates for the same names as first, so that whoever asks for none also has a choice of keys.
func (n *names) like(first *offer, list []*offer) []*offer {
	var same []*offer
	for _, o := range list {
		if slices.Equal(slices.Sorted(slices.Values(o.of.names)), slices.Sorted(slices.Values(first.of.names))) {
			same = append(same, o)
		}
	}
	slices.SortStableFunc(same, func(a, b *offer) int { return ecdsaFirst(a.of, b.of) })
	return same
}

// choose gives the certificate for a client: the first that it can verify, or else the first.
func (n *names) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list, known := n.of(hello.ServerName)
	if !known {
		list = n.others
	}
	if !known && n.refuse || len(list) == 0 {
		return nil, nil // crypto/tls then says unrecognized_name
	}
	if len(list) > 1 {
		asked := *hello
		asked.ServerName = "" // that the names agree is known, or does not matter
		for _, o := range list {
			if asked.SupportsCertificate(&o.shown) == nil {
				return &o.shown, nil
			}
		}
	}
	return &list[0].shown, nil
}

// of are the certificates of a name, of itself or by a wildcard for its last labels but one.
func (n *names) of(name string) ([]*offer, bool) {
	if name == "" {
		return n.others, true
	}
	name = plainName(name)
	if list, ok := n.exact[name]; ok {
		return list, true
	}
	if list := n.wild(name); list != nil {
		return list, true
	}
	return nil, false
}

// wild are the certificates that have a name by a wildcard.
func (n *names) wild(name string) []*offer {
	_, below, _ := strings.Cut(name, ".")
	return n.wildcard[below]
}

// plainName is a server name as certificates have it.
func plainName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
