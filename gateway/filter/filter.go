package filter

import "github.com/ringway/ringway/gateway/exchange"

// Filter is one step of the chain. A value belongs to one loop.
type Filter interface {
	Handle(x *exchange.Exchange, next Next) error
}

// Handler is what stands at the chain's end: it fills in the response.
type Handler interface {
	Handle(x *exchange.Exchange) error
}

// Chain is the filters of one route on one loop, and what stands behind them.
type Chain struct {
	Filters []Filter
	End     Handler
}

// Handle passes x through the chain.
func (c *Chain) Handle(x *exchange.Exchange) error { return Next{c, 0}.Handle(x) }

// Next is the rest of a chain.
type Next struct {
	chain *Chain
	i     int
}

// Handle passes x through the rest of the chain.
func (n Next) Handle(x *exchange.Exchange) error {
	if n.i == len(n.chain.Filters) {
		return n.chain.End.Handle(x)
	}
	return n.chain.Filters[n.i].Handle(x, Next{n.chain, n.i + 1})
}
