package drivertest

import (
	"bytes"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

func sendBytes(k *kit) {
	fd, peer := k.tcpPair()
	k.want(k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: []byte("one "), NotLast: true}), 4)
	k.want(k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: []byte("two")}), 3)
	if got := k.read(peer, 7); string(got) != "one two" {
		k.Fatalf("peer got %q", got)
	}
}

// sendShort fills the socket's buffer, sees that the next send waits, and sends the rest while the peer reads.
func sendShort(k *kit) {
	fd, peer := k.pair()
	data := pattern(4 << 20)
	p := k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: data})
	n := int(k.end(p).N)
	if n <= 0 || n >= len(data) {
		k.Fatalf("the first send took %d of %d bytes", n, len(data))
	}
	p.op.Buf = data[n:]
	k.again(p)
	k.wantNone(p)

	got := make(chan []byte, 1)
	go func() { got <- k.read(peer, len(data)) }()
	sends := 1
	for {
		r := k.end(p)
		sends++
		if r.N <= 0 {
			k.Fatalf("send %d: %d", sends, r.N)
		}
		if n += int(r.N); n == len(data) {
			break
		}
		p.op.Buf = data[n:]
		k.again(p)
	}
	select {
	case b := <-got:
		if !bytes.Equal(b, data) {
			k.Fatal("the peer got other bytes")
		}
	case <-time.After(patience):
		k.Fatal("the peer did not get everything")
	}
}

func sendMessage(k *kit) {
	fd, peer := k.tcpPair()
	for _, parts := range [][2]string{{"head", "body"}, {"", "body only"}, {"head only", ""}} {
		m := new(sys.Msghdr)
		m.Set([]byte(parts[0]), []byte(parts[1]))
		n := len(parts[0]) + len(parts[1])
		k.want(k.start(loop.Op{Code: loop.OpSendmsg, FD: int32(fd), Msg: m}), int32(n))
		if got := string(k.read(peer, n)); got != parts[0]+parts[1] {
			k.Fatalf("peer got %q", got)
		}
	}
	fd, peer = k.pair() // TCP's buffers grow, and may take all of it
	head, body := pattern(100), pattern(4<<20)
	m := new(sys.Msghdr)
	m.Set(head, body)
	p := k.start(loop.Op{Code: loop.OpSendmsg, FD: int32(fd), Msg: m})
	n := int(k.end(p).N)
	if n < len(head) || n >= len(head)+len(body) {
		k.Fatalf("a message larger than the socket's buffer took %d bytes", n)
	}
	if got := k.read(peer, n); !bytes.Equal(got[:len(head)], head) || !bytes.Equal(got[len(head):], body[:n-len(head)]) {
		k.Fatal("the peer got other bytes")
	}
}

// sendBroken must give an error and no SIGPIPE, which would end the process.
func sendBroken(k *kit) {
	fd, peer := k.pair()
	k.closeNow(peer)
	k.want(k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: []byte("x")}), -sys.EPIPE)
	m := new(sys.Msghdr)
	m.Set([]byte("x"), nil)
	k.want(k.start(loop.Op{Code: loop.OpSendmsg, FD: int32(fd), Msg: m}), -sys.EPIPE)
}
