package drivertest

import (
	"runtime"
	"testing"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// testCase is one thing that every driver must do.
type testCase struct {
	name string
	cfg  loop.DriverConfig
	run  func(k *kit)
}

// small are sizes at which bounds are reached quickly.
var small = loop.DriverConfig{Entries: 64, RecvSize: 4096, RecvBlocks: 16}

func cases() []testCase {
	return []testCase{
		{"recv waits for data", small, recvWaits},
		{"recv finds data", small, recvFindsData},
		{"recv says when the socket is drained", small, recvDrained},
		{"recv sees the end of the stream", small, recvEnd},
		{"recv sees a reset", small, recvReset},
		{"returned blocks are poisoned", small, recvPoisoned},
		{"multishot recv goes on", small, multiGoesOn},
		{"multishot recv sees what ends the stream", shortBlocks, multiEnds},
		{"multishot recv cancelled", small, multiCancel},
		{"multishot recv cancelled at any time loses no byte", small, multiCancelRandom},
		{"multishot recv without buffers", twoBlocks, multiBuffersRunOut},
		{"quiet send", small, quietSend},
		{"quiet send to a full socket", small, quietFull},
		{"quiet send on a broken connection", small, quietBroken},
		{"quiet send cancelled", small, quietCancel},
		{"more quiet sends than entries", eightEntries, quietMany},
		{"send", small, sendBytes},
		{"send continues after a short one", small, sendShort},
		{"sendmsg", small, sendMessage},
		{"send on a broken connection", small, sendBroken},
		{"recvmsg takes datagrams one by one", small, recvmsgGoesOn},
		{"recvmsg says where a datagram went", small, recvmsgControl},
		{"recvmsg takes what was cut or joined", small, recvmsgSegments},
		{"recvmsg carries descriptors", small, recvmsgRights},
		{"recvmsg sees the end of a connection", small, recvmsgEnd},
		{"recvmsg tells of an unreachable port", small, recvmsgRefused},
		{"recvmsg cancelled at any time loses no message", small, recvmsgCancel},
		{"recvmsg without buffers", twoBlocks, recvmsgStarved},
		{"connect", small, connectOK},
		{"connect refused", small, connectRefused},
		{"connect cancelled", small, connectCancelled},
		{"connect to a full unix socket", small, connectUnixFull},
		{"accept many at once", small, acceptMany},
		{"accept again after cancel", small, acceptCancelled},
		{"poll in", small, pollIn},
		{"poll out", small, pollOut},
		{"poll either side", small, pollEither},
		{"poll for hang-up keeps data", small, pollHangup},
		{"close", small, closeDescriptor},
		{"bad descriptor", small, badDescriptor},
		{"poll on a pipe", small, pollPipe},
		{"a forgotten descriptor serves others", small, forgetDescriptor},
		{"cancel before the kernel saw it", small, cancelBefore},
		{"cancel while waiting", small, cancelWaiting},
		{"cancel after completion", small, cancelAfter},
		{"cancel at any time loses no byte", small, cancelRandom},
		{"buffers run out", twoBlocks, buffersRunOut},
		{"buffers run out and receives are cancelled", twoBlocks, buffersRunOutCancelled},
		{"a buffer left unused serves the next", twoBlocks, buffersLeftUnused},
		{"more operations than entries", eightEntries, manyOps},
		{"more cancels than entries", eightEntries, manyCancels},
		{"more results than the queue holds", eightEntries, manyResults},
		{"wake during and before a wait", small, wakeEach},
		{"wakes in bursts", small, wakeBurst},
		{"wait honours its timeout", small, waitTimeout},
		{"a reused descriptor number gets no old events", small, reusedDescriptor},
		{"signals are no errors", small, signalStorm},
		{"close with operations in flight", small, closeInFlight},
	}
}

var (
	twoBlocks    = loop.DriverConfig{Entries: 64, RecvSize: 4096, RecvBlocks: 2}
	shortBlocks  = loop.DriverConfig{Entries: 64, RecvSize: 512, RecvBlocks: 128}
	eightEntries = loop.DriverConfig{Entries: 8, RecvSize: 4096, RecvBlocks: 512}
)

// Run holds the driver that open makes against every case. Blocks are poisoned when they are returned. A failure names
// the case; each has its own driver on its own thread, and leaves no descriptor, operation or buffer behind.
func Run(t *testing.T, open loop.NewDriver) {
	defer func(was bool) { buf.Poison = was }(buf.Poison)
	buf.Poison = true
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			runtime.LockOSThread() // never unlocked: the thread and what the kernel ties to it end with the case
			before := openDescriptors(t)
			k := newKit(t, open, c.cfg)
			c.run(k)
			k.finish()
			if after := openDescriptors(t); after > before {
				t.Errorf("%d descriptors were open before, %d after", before, after)
			}
		})
	}
}
