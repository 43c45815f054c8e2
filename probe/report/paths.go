package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ringway/ringway/probe"
)

// Paths writes the ways that a trace found.
func Paths(w io.Writer, paths []probe.Path) error {
	b := bufio.NewWriter(w)
	for i := range paths {
		p := &paths[i]
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "%s: %s\n", Title(&p.Target), ending(p))
		for _, h := range p.Hops {
			fmt.Fprintf(b, "%3d  %s", h.TTL, routers(&h))
			if l := &h.Latency; l.Count > 0 {
				fmt.Fprintf(b, "  min/avg/max %s/%s/%s", Duration(l.Min), Duration(l.Avg), Duration(l.Max))
			}
			if h.Answered < h.Sent && h.Answered > 0 {
				fmt.Fprintf(b, "  loss %s", Percent(1-float64(h.Answered)/float64(h.Sent)))
			}
			b.WriteByte('\n')
		}
	}
	return b.Flush()
}

func ending(p *probe.Path) string {
	switch {
	case p.Target.Err != nil:
		return p.Target.Err.Error()
	case p.Reached:
		return fmt.Sprintf("reached at hop %d", len(p.Hops))
	case p.Reason != "":
		return fmt.Sprintf("ends at hop %d: %s", len(p.Hops), p.Reason)
	case len(p.Hops) == 0:
		return "no hop answered"
	}
	return fmt.Sprintf("not reached; nothing answered behind hop %d", len(p.Hops))
}

// routers lists who answered at a hop, and how often if there was more than one.
func routers(h *probe.Hop) string {
	if len(h.Routers) == 0 {
		return "*"
	}
	var parts []string
	for _, r := range h.Routers {
		text := r.Addr.String()
		if len(h.Routers) > 1 {
			text += fmt.Sprintf(" (%d)", r.Answers)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// PathObject is one way as JSON.
type PathObject struct {
	Type    string      `json:"type"` // path
	Name    string      `json:"name"`
	Address string      `json:"address,omitempty"`
	Error   string      `json:"error,omitempty"`
	Reached bool        `json:"reached"`
	Reason  string      `json:"reason,omitempty"`
	Hops    []HopObject `json:"hops"`
}

// HopObject is one hop as JSON.
type HopObject struct {
	TTL      int               `json:"ttl"`
	Sent     uint64            `json:"sent"`
	Answered uint64            `json:"answered"`
	Routers  map[string]uint64 `json:"routers,omitempty"` // answers by address
	RTT      *RTT              `json:"rtt_us,omitempty"`
}

// PathsJSON writes one object a target.
func PathsJSON(w io.Writer, paths []probe.Path) error {
	e := json.NewEncoder(w)
	for i := range paths {
		p := &paths[i]
		o := PathObject{Type: "path", Name: p.Target.Name, Reached: p.Reached, Reason: p.Reason, Hops: []HopObject{}}
		o.Address, o.Error = identity(&p.Target)
		for j := range p.Hops {
			h := &p.Hops[j]
			hop := HopObject{TTL: h.TTL, Sent: h.Sent, Answered: h.Answered, RTT: times(&h.Latency, true)}
			for _, r := range h.Routers {
				if hop.Routers == nil {
					hop.Routers = map[string]uint64{}
				}
				hop.Routers[r.Addr.String()] = r.Answers
			}
			o.Hops = append(o.Hops, hop)
		}
		if err := e.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

func identity(t *probe.Target) (address, fault string) {
	if t.Addr.IsValid() {
		address = t.Addr.String()
	}
	if t.Err != nil {
		fault = t.Err.Error()
	}
	return address, fault
}

// MTUs writes what a search found, a line a target.
func MTUs(w io.Writer, found []probe.PathMTU) error {
	b := bufio.NewWriter(w)
	for i := range found {
		m := &found[i]
		fmt.Fprintf(b, "%s : ", Title(&m.Target))
		switch {
		case m.Target.Err != nil:
			fmt.Fprintf(b, "%v\n", m.Target.Err)
			continue
		case m.MTU == 0:
			fmt.Fprintf(b, "%s\n", m.Reason)
			continue
		}
		fmt.Fprintf(b, "path MTU %d", m.MTU)
		switch {
		case m.Local:
			b.WriteString(", the MTU of this host's interface")
		case m.BlackHole:
			b.WriteString("; larger packets vanish and nobody says so (a black hole)")
		case m.Router.IsValid():
			fmt.Fprintf(b, ", says %v", m.Router)
		}
		if m.Reason != "" {
			fmt.Fprintf(b, "; %s", m.Reason)
		}
		fmt.Fprintf(b, " (%d probes)\n", m.Probes)
	}
	return b.Flush()
}

// MTUObject is one target's path MTU as JSON.
type MTUObject struct {
	Type      string `json:"type"` // mtu
	Name      string `json:"name"`
	Address   string `json:"address,omitempty"`
	Error     string `json:"error,omitempty"`
	MTU       int    `json:"mtu"`
	Router    string `json:"router,omitempty"`
	BlackHole bool   `json:"black_hole"`
	Local     bool   `json:"local"`
	Reason    string `json:"reason,omitempty"`
	Probes    int    `json:"probes"`
}

// MTUsJSON writes one object a target.
func MTUsJSON(w io.Writer, found []probe.PathMTU) error {
	e := json.NewEncoder(w)
	for i := range found {
		m := &found[i]
		o := MTUObject{Type: "mtu", Name: m.Target.Name, MTU: m.MTU, BlackHole: m.BlackHole, Local: m.Local, Reason: m.Reason, Probes: m.Probes}
		o.Address, o.Error = identity(&m.Target)
		if m.Router.IsValid() {
			o.Router = m.Router.String()
		}
		if err := e.Encode(o); err != nil {
			return err
		}
	}
	return nil
}
