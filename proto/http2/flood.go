package http2

// What a peer may cost us. Each kind of abuse is paid from a Budget of the Config; an empty one ends the connection with
// ENHANCE_YOUR_CALM. The prices are in units of one small frame.
const (
	costFrame    = 1  // PING, PRIORITY, WINDOW_UPDATE, an empty frame, …
	costSettings = 10 // SETTINGS change every stream and are answered
	costReset    = 1
	costFault    = 1
	costOversize = 5 // a field section that is too large was decoded all the same

	// earnMessage is what each HEADERS or DATA frame sent, and each DATA frame received that is not tiny, gives back to the
	// control budget: a receiver may answer each with a WINDOW_UPDATE for the stream, one for the connection, and a PING.
	earnMessage = 4
	// earnComplete is what a stream that both ends have ended gives back to the budget of resets.
	earnComplete = 1

	// tinyData is below how many bytes a DATA frame that the window has cut short, or that came in without ending its
	// stream, counts as none: neither does it earn anything nor is it progress.
	tinyData = 64
)

// account is what is left of a Budget.
type account struct {
	left int32
	at   int64 // nanoseconds: when it was filled up last
}

// spend takes the cost, and reports false when it is not there. The account fills with time.
func (a *account) spend(b Budget, now int64, cost int32) bool {
	a.fill(b, now)
	a.left -= cost
	return a.left >= 0
}

// fill adds what time has given, in whole units.
func (a *account) fill(b Budget, now int64) {
	elapsed := now - a.at
	if elapsed <= 0 {
		return
	}
	gain := int64(b.Burst)
	if seconds := elapsed / 1e9; seconds < gain {
		gain = seconds*int64(b.PerSecond) + elapsed%1e9*int64(b.PerSecond)/1e9
	}
	if gain > 0 {
		a.left, a.at = int32(min(int64(b.Burst), max(int64(a.left), 0)+gain)), now
	}
}

func (a *account) earn(b Budget, n int32) { a.left = min(a.left+n, int32(b.Burst)) }

var errCalm = ConnectionError{EnhanceYourCalm, "too many frames that bring nothing forward"}

// control charges a frame that brings nothing forward.
func (c *Conn) control(cost int32) error {
	if !c.controls.spend(c.cfg.Control, c.now, cost) {
		return errCalm
	}
	return nil
}

// fault charges a mistake that costs the peer a stream only.
func (c *Conn) fault(cost int32) error {
	if !c.faults.spend(c.cfg.Faults, c.now, cost) {
		return ConnectionError{EnhanceYourCalm, "too many faulty streams"}
	}
	return nil
}

// resetByPeer charges a stream that the peer gives up.
func (c *Conn) resetByPeer() error {
	if !c.resets.spend(c.cfg.Resets, c.now, costReset) {
		return ConnectionError{EnhanceYourCalm, "too many streams reset"}
	}
	return nil
}

// reply counts a frame that answers the peer. A peer that asks and does not read what it is answered would fill our memory.
func (c *Conn) reply() error {
	if c.replies++; c.replies > c.cfg.MaxReplies {
		return ConnectionError{EnhanceYourCalm, "too many answers wait to be read"}
	}
	return nil
}
