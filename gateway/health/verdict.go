package health

// verdict tells healthy from unhealthy by results in a row: one packet that is lost is no failure of an endpoint, and one answer
// no recovery.
type verdict struct {
	healthy bool
	proved  bool // some result has confirmed or changed what it began with
	row     int  // results in a row that contradict
}

// observe takes a result in, and reports whether the verdict changed. What began as unhealthy without proof is ended by the first
// good result: there is nothing to flap yet, and the endpoint waits to be used.
func (v *verdict) observe(ok bool, p *Pace) (changed bool) {
	if ok == v.healthy {
		v.proved, v.row = v.proved || !ok || v.healthy, 0
		return false
	}
	v.row++
	needed := p.UnhealthyAfter
	if !v.healthy {
		if needed = p.HealthyAfter; !v.proved {
			needed = 1
		}
	}
	if v.row < needed {
		return false
	}
	v.healthy, v.proved, v.row = ok, true, 0
	return true
}
