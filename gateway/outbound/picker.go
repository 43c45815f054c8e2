package outbound

import (
	"slices"

	"github.com/ringway/ringway/gateway/upstream"
)

// picker chooses further endpoints of a cluster when the one whose turn it was cannot be connected to.
type picker struct {
	Cluster *upstream.Cluster
	skew    int // where the others begin for the next that needs one
}

// spare is how many others may be tried.
func (p *picker) spare() int { return min(p.Cluster.Settings.Retries, len(p.Cluster.Chosen())-1) }

// next is the endpoint to try after first and so many others. It takes no turn of the balance: if it did, two endpoints of
// which one is down would always be tried in that order.
func (p *picker) next(first *upstream.Endpoint, others int) *upstream.Endpoint {
	if others == 0 {
		p.skew++
	}
	all := p.Cluster.Chosen() // first may be none of them any more
	return all[(slices.Index(all, first)+1+(p.skew+others)%(len(all)-1))%len(all)]
}
