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

// Flood is a kind of abuse that ends a connection with ENHANCE_YOUR_CALM, or with SETTINGS_TIMEOUT.
type Flood uint8

// The kinds. Each stands for the bound that was passed, not for what the peer may have meant by it.
const (
	NoFlood       Flood = iota // the connection ended for another reason
	FloodControl               // frames that bring nothing forward: Config.Control
	FloodResets                // streams given up: Config.Resets
	FloodFaults                // streams that had to be reset: Config.Faults
	FloodReplies               // answers that nobody reads: Config.MaxReplies
	FloodHeaders               // a field section too large, in too many frames, or too slow
	FloodSettings              // SETTINGS with too many parameters, or ours not acknowledged
	lastFlood     = FloodSettings
)

// Floods is the number of kinds, NoFlood included.
const Floods = int(lastFlood) + 1

// String returns the kind's name in metrics and logs.
func (f Flood) String() string {
	return [...]string{"none", "control", "resets", "faults", "replies", "headers", "settings", "none"}[f&7]
}

// What the peer is told of each, in GOAWAY.
const (
	tooManyControls      = "too many frames that bring nothing forward"
	tooManyResets        = "too many streams reset"
	tooManyFaults        = "too many faulty streams"
	tooManyReplies       = "too many answers wait to be read"
	tooManyParameters    = "SETTINGS with too many parameters"
	tooManyContinuations = "a field section in too many frames"
	tooLargeSection      = "a field section that is too large"
	tooLargeBomb         = "a field section that is too large by far"
	tooLargeField        = "a field that is too large"
	tooSlowSection       = "a field section takes too long"
	settingsIgnored      = "SETTINGS were not acknowledged"
)

// Flood tells which abuse ended the connection.
func (e ConnectionError) Flood() Flood {
	switch e.Debug {
	case tooManyControls:
		return FloodControl
	case tooManyResets:
		return FloodResets
	case tooManyFaults:
		return FloodFaults
	case tooManyReplies:
		return FloodReplies
	case tooManyContinuations, tooLargeSection, tooLargeBomb, tooLargeField, tooSlowSection:
		return FloodHeaders
	case tooManyParameters, settingsIgnored:
		return FloodSettings
	}
	return NoFlood
}

var errCalm = ConnectionError{EnhanceYourCalm, tooManyControls}

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
		return ConnectionError{EnhanceYourCalm, tooManyFaults}
	}
	return nil
}

// resetByPeer charges a stream that the peer gives up.
func (c *Conn) resetByPeer() error {
	if !c.resets.spend(c.cfg.Resets, c.now, costReset) {
		return ConnectionError{EnhanceYourCalm, tooManyResets}
	}
	return nil
}

// reply counts a frame that answers the peer. A peer that asks and does not read what it is answered would fill our memory.
func (c *Conn) reply() error {
	if c.replies.waiting++; c.replies.waiting > c.cfg.MaxReplies {
		return ConnectionError{EnhanceYourCalm, tooManyReplies}
	}
	return nil
}
