// Package filter is the chain that every request passes between routing and the upstream. A filter is code before next,
// code after it, or no next at all:
//
//	func (f *Timing) Handle(x *exchange.Exchange, next filter.Next) error {
//		x.Request.Fields.Set("X-Seen", seen)   // on the way in
//		err := next.Handle(x)                  // the rest of the chain, then the upstream
//		...                                    // on the way out: x.Response has a head, its body is still to come
//		return err
//	}
//
// Each filter has a folder of its own with a Spec, and a line in table/filters.txt, from which package table is
// generated; no filter registers itself.
package filter
