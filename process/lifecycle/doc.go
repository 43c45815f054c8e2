// Package lifecycle decides what a master does: which worker starts when, who serves, who hands over, who drains, and what
// happens when any of them fails at any moment. It is a state machine: events in, actions out. It starts no process, reads
// no clock and has no goroutine, so that every order of events can be tried in a test.
//
// Reading starts at machine.go (Handle, and what a worker goes through); event.go has all events and actions, upgrade.go,
// reload.go and stop.go what the operator may ask for. The order of an upgrade that goes well:
//
//	Upgrade → Spawn(2) … WorkerReady(2) → HandOver(1→2) … HandedOver(1) → Drain(1), Promote, Answer, Become … WorkerEnded(1)
//
// Until HandedOver every failure leads back: the new worker is thrown away and the old one serves on, told to Resume if it
// had begun to hand over. A hand-over that fails is no reason to trust the new worker: it has to answer a Probe and to accept,
// Resumed, before the old one drains; one that does not is killed.
//
// Package process is the only caller: it carries the actions out and reports what came of them.
package lifecycle
