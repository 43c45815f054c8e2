package drivertest

import "github.com/ringway/ringway/sys"

func recvWaits(k *kit) {
	for _, pollFirst := range []bool{false, true} {
		fd, peer := k.pair()
		p := k.recv(fd, pollFirst)
		k.wantNone(p)
		if s := k.d.Stats(); s.Lent != 0 || s.InFlight != 1 {
			k.Fatalf("a waiting receive holds %d buffers, %d operations are in flight", s.Lent, s.InFlight)
		}
		k.write(peer, "hello")
		k.wantData(p, "hello")
		k.again(p) // the record serves again
		k.wantNone(p)
		k.write(peer, "more")
		k.wantData(p, "more")
	}
}

func recvFindsData(k *kit) {
	for _, pollFirst := range []bool{false, true} {
		for _, tcp := range []bool{false, true} {
			fd, peer := k.pair()
			if tcp {
				fd, peer = k.tcpPair()
			}
			k.write(peer, "there")
			k.wantData(k.recv(fd, pollFirst), "there")
			k.write(peer, "again") // the driver has not heard of it when the receive comes
			k.wantData(k.recv(fd, pollFirst), "again")
		}
	}
}

func recvDrained(k *kit) {
	fd, peer := k.tcpPair()
	data := string(pattern(2*4096 + 100))
	k.write(peer, data)
	for i := 0; i < 2; i++ {
		if r := k.wantData(k.recv(fd, false), data[i*4096:(i+1)*4096]); r.Drained {
			k.Fatal("Drained is set although more is there")
		}
	}
	if r := k.wantData(k.recv(fd, false), data[2*4096:]); !r.Drained {
		k.Fatal("Drained is not set although the socket is empty")
	}
	p := k.recv(fd, true) // as who believes the hint does
	k.wantNone(p)
	k.write(peer, "x")
	k.wantData(p, "x")
}

func recvEnd(k *kit) {
	for _, pollFirst := range []bool{false, true} {
		fd, peer := k.tcpPair()
		waiting := k.recv(fd, pollFirst)
		k.wantNone(waiting)
		k.check(k.net.Shutdown(peer, sys.SHUT_WR))
		k.want(waiting, 0)
		k.want(k.recv(fd, pollFirst), 0) // the end stays

		fd, peer = k.tcpPair()
		k.write(peer, "last words")
		k.closeNow(peer)
		k.wantData(k.recv(fd, pollFirst), "last words")
		k.want(k.recv(fd, pollFirst), 0)
	}
}

func recvReset(k *kit) {
	for _, waiting := range []bool{true, false} {
		fd, peer := k.tcpPair()
		p := k.recv(fd, false)
		if waiting {
			k.wantNone(p)
		}
		k.check(k.net.SetLinger0(peer))
		k.closeNow(peer)
		k.want(p, -sys.ECONNRESET)
	}
}

func recvPoisoned(k *kit) {
	fd, peer := k.pair()
	k.write(peer, "secret")
	r := k.want(k.recv(fd, false), 6)
	kept := r.Block.Data()
	k.d.Return(r.Block)
	if string(kept) == "secret" {
		k.Fatal("a returned block kept its bytes")
	}
	var sum int
	for range 3 * small.RecvBlocks { // every block comes round, and none is overwritten while it is lent
		k.write(peer, "a")
		r := k.want(k.recv(fd, false), 1)
		sum += int(r.Block.Data()[0] - 'a')
		k.d.Return(r.Block)
	}
	if sum != 0 {
		k.Fatal("a lent block was overwritten")
	}
}
