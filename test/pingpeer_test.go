package test

import (
	bin "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// pingPeer is the host at the other end of a link: it answers echo requests to any address, and does to each what the
// address's last byte stands for (faults). It sees and writes whole frames, so it decides over every bit. At SIGTERM it prints what
// it did, by address, as JSON: what a report has to equal. Each SIGUSR1 has peerMutes fall silent, or speak again.
//
// Its argument is the interface.
func pingPeer() {
	if err := runPingPeer(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ping peer:", err)
		os.Exit(1)
	}
}

// tally is what the peer did to the requests for one address.
type tally struct {
	Requests, Answered, Lost, Late, Duplicate, Reordered, Corrupted, Unreachable, TTLExceeded, TooBig, OtherError uint64
	Bits                                                                                                          []flip
	Last                                                                                                          wireOptions
}

// wireOptions is how a request looked when it arrived.
type wireOptions struct {
	Source       netip.Addr
	TTL, TOS     int
	DontFragment bool
	Payload      []byte
}

// flip is a bit that the peer turned over in an answer, by the byte of the ICMP message.
type flip struct {
	Byte, Bit int
	Repaired  bool // the checksum was computed anew
}

// peer is the state of pingPeer.
type peer struct {
	fd    int
	own   net.HardwareAddr
	tally map[netip.Addr]*tally
	held  map[netip.Addr]*request // an answer that the next one overtakes
	later []delayed
	muted bool
}

type delayed struct {
	at    time.Time
	frame []byte
}

// request is an echo request with all that an answer needs of it.
type request struct {
	frame    []byte
	family   icmp.Family
	src, dst netip.Addr
	ttl      int
	df       bool
	ip       []byte // the packet
	message  icmp.Message
	count    uint64 // requests to this address before it
	tally    *tally
}

// Times that the peer keeps answers back: for too long, and for a while.
const (
	peerLate  = 3 * time.Second
	peerDelay = 30 * time.Millisecond
)

// peerLateUntil is the request after which answers are late no more: those to the last would come after the run.
const peerLateUntil = 120

// The last bytes of addresses, and what the peer does there. By another it answers.
const (
	peerLoses     = 2
	peerIsLate    = 3
	peerDoubles   = 4
	peerReorders  = 5
	peerFlips     = 6
	peerUnreach   = 7
	peerExceeds   = 8
	peerDelays    = 9
	peerMixes     = 10
	peerObjects   = 11
	peerHops      = 20 // routers before it answer traces; it is the fourth hop
	peerNarrow    = 21 // says that more than 1400 bytes do not pass
	peerBlackHole = 22 // swallows more than 1300 bytes
	peerMutes     = 30 // is silent when told so
)

func runPingPeer(device string) error {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	const all = 0x0300 // ETH_P_ALL in network order
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, all)
	if err != nil {
		return err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: all, Ifindex: ifi.Index}); err != nil {
		return err
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 32<<20)
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Usec: 2000}); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	mute := make(chan os.Signal, 1)
	signal.Notify(mute, syscall.SIGUSR1)
	p := &peer{fd: fd, own: ifi.HardwareAddr, tally: map[netip.Addr]*tally{}, held: map[netip.Addr]*request{}}
	fmt.Println("ready")
	buf := make([]byte, 1<<16)
	for {
		select {
		case <-stop:
			return json.NewEncoder(os.Stdout).Encode(p.tally)
		case <-mute:
			p.muted = !p.muted
		default:
		}
		if err := p.sendDue(time.Now()); err != nil {
			return err
		}
		n, _, err := syscall.Recvfrom(fd, buf, 0)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if r := p.parse(append([]byte(nil), buf[:n]...)); r != nil {
			if err := p.fate(r); err != nil {
				return err
			}
		}
	}
}

// parse reads a frame; nil is one that is no echo request to us.
func (p *peer) parse(frame []byte) *request {
	if len(frame) < 14 || string(frame[:6]) != string(p.own) {
		return nil
	}
	r := &request{frame: frame, ip: frame[14:]}
	var body []byte
	switch bin.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		h, err := icmp.ParseIPv4(r.ip)
		if err != nil || h.Protocol != icmp.ProtocolICMP || h.Total > len(r.ip) {
			return nil
		}
		r.family, r.src, r.dst, r.ttl, r.df = icmp.V4, h.Src, h.Dst, int(h.TTL), r.ip[6]&0x40 != 0
		r.ip = r.ip[:h.Total]
		body = r.ip[h.Length:]
	case 0x86dd:
		if len(r.ip) < 40 || r.ip[6] != icmp.ProtocolICMPv6 {
			return nil
		}
		r.family, r.ttl, r.df = icmp.V6, int(r.ip[7]), true
		r.src, r.dst = netip.AddrFrom16([16]byte(r.ip[8:24])), netip.AddrFrom16([16]byte(r.ip[24:40]))
		body = r.ip[40:]
	default:
		return nil
	}
	m, err := icmp.Parse(r.family, body)
	if err != nil || m.Kind != icmp.EchoRequest {
		return nil
	}
	r.message = m
	if p.tally[r.dst] == nil {
		p.tally[r.dst] = new(tally)
	}
	r.tally = p.tally[r.dst]
	r.count = r.tally.Requests
	r.tally.Requests++
	tos := int(r.ip[1])
	if r.family == icmp.V6 {
		tos = int(r.ip[0]&15)<<4 | tos>>4
	}
	r.tally.Last = wireOptions{r.src, r.ttl, tos, r.df, m.Payload}
	return r
}

// fate does to a request what its address stands for.
func (p *peer) fate(r *request) error {
	k := r.count
	b := r.dst.As16()[15]
	if b == peerMixes { // each kind in turn, so that the counts are known and their order is not regular
		b = []byte{1, peerLoses, 1, peerDoubles, peerUnreach, 1, peerFlips, peerIsLate, 1, peerExceeds, peerObjects}[(k*7+k/11)%11]
		k = 4
	}
	switch b {
	case peerLoses:
		if k%5 == 4 {
			r.tally.Lost++
			return nil
		}
	case peerMutes:
		if p.muted {
			r.tally.Lost++
			return nil
		}
	case peerIsLate:
		if k%4 == 0 && r.count < peerLateUntil {
			r.tally.Late++
			p.later = append(p.later, delayed{time.Now().Add(peerLate), p.reply(r, nil)})
			return nil
		}
	case peerDoubles:
		if k%3 == 1 {
			r.tally.Duplicate++
			if err := p.send(p.reply(r, nil)); err != nil {
				return err
			}
		}
	case peerReorders:
		return p.reorder(r)
	case peerFlips:
		if k%4 == 0 {
			return p.corrupt(r)
		}
	case peerDelays:
		r.tally.Answered++
		p.later = append(p.later, delayed{time.Now().Add(peerDelay), p.reply(r, nil)})
		return nil
	case peerUnreach, peerExceeds, peerObjects, peerHops, peerNarrow, peerBlackHole:
		if done, err := p.object(r, b, k); done {
			return err
		}
	}
	r.tally.Answered++
	return p.send(p.reply(r, nil))
}

// object answers with an ICMP error, or not at all; done is false if the request is to be answered after all.
func (p *peer) object(r *request, b byte, k uint64) (done bool, err error) {
	router := netip.MustParseAddr(peer4)
	if r.family == icmp.V6 {
		router = netip.MustParseAddr(peer6)
	}
	v6 := r.family == icmp.V6
	pick := func(four, six uint8) uint8 {
		if v6 {
			return six
		}
		return four
	}
	switch {
	case b == peerUnreach && k%2 == 0:
		r.tally.Unreachable++
		return true, p.send(p.complaint(r, router, pick(icmp.TypeUnreachableV4, icmp.TypeUnreachableV6), pick(1, 3), 0))
	case b == peerExceeds && k%5 == 4:
		r.tally.TTLExceeded++
		return true, p.send(p.complaint(r, router, pick(icmp.TypeTimeExceededV4, icmp.TypeTimeExceededV6), 0, 0))
	case b == peerObjects && k%2 == 0:
		r.tally.OtherError++
		return true, p.send(p.complaint(r, router, pick(icmp.TypeParameterProblemV4, icmp.TypeParameterProblemV6), 0, 0))
	case b == peerHops && r.ttl < 4:
		hop := router.As16()
		hop[15] = byte(100 + r.ttl)
		return true, p.send(p.complaint(r, netip.AddrFrom16(hop).Unmap(), pick(icmp.TypeTimeExceededV4, icmp.TypeTimeExceededV6), 0, 0))
	case b == peerNarrow && len(r.ip) > 1400 && r.df:
		r.tally.TooBig++
		return true, p.send(p.complaint(r, router, pick(icmp.TypeUnreachableV4, icmp.TypePacketTooBigV6), pick(4, 0), 1400))
	case b == peerBlackHole && len(r.ip) > 1300:
		r.tally.Lost++
		return true, nil
	}
	return false, nil
}

// reorder keeps every tenth answer back until the next has gone.
func (p *peer) reorder(r *request) error {
	r.tally.Answered++
	if r.count%10 == 3 {
		p.held[r.dst] = r
		return nil
	}
	if err := p.send(p.reply(r, nil)); err != nil {
		return err
	}
	if h := p.held[r.dst]; h != nil {
		delete(p.held, r.dst)
		r.tally.Reordered++
		return p.send(p.reply(h, nil))
	}
	return nil
}

// corrupt turns one bit over: another in each answer, with and without a checksum that hides it. IPv6 gets none of the
// latter, since its receiver's kernel drops them unseen.
func (p *peer) corrupt(r *request) error {
	n := int(r.tally.Corrupted)
	length := icmp.HeaderLength + len(r.message.Payload)
	f := flip{Byte: 4 + n*13%(length-4), Bit: n % 8, Repaired: n%2 == 1 || r.family == icmp.V6}
	r.tally.Corrupted++
	r.tally.Bits = append(r.tally.Bits, f)
	return p.send(p.reply(r, &f))
}

// reply builds the answer, with a bit turned over if f is given.
func (p *peer) reply(r *request, f *flip) []byte {
	m := icmp.AppendEchoReply(nil, r.family, r.message.ID, r.message.Seq, r.message.Payload)
	if f != nil {
		m[f.Byte] ^= 1 << f.Bit
		if f.Repaired && r.family == icmp.V4 {
			icmp.SetChecksum(m)
		}
	}
	return p.frame(r, r.dst, m)
}

// complaint builds an ICMP error about a request.
func (p *peer) complaint(r *request, from netip.Addr, typ, code uint8, mtu uint32) []byte {
	quoted := r.ip
	if r.family == icmp.V4 {
		quoted = quoted[:min(28, len(quoted))] // no more than routers owe
	} else {
		quoted = quoted[:min(1232, len(quoted))]
	}
	return p.frame(r, from, icmp.AppendError(nil, r.family, typ, code, mtu, quoted))
}

// frame puts a message into a packet from an address to the one that asked.
func (p *peer) frame(r *request, from netip.Addr, message []byte) []byte {
	b := append([]byte(nil), r.frame[6:12]...)
	b = append(append(b, p.own...), r.frame[12:14]...)
	if r.family == icmp.V4 {
		h := make([]byte, 20, 20+len(message))
		h[0], h[8], h[9] = 0x45, 64, icmp.ProtocolICMP
		bin.BigEndian.PutUint16(h[2:], uint16(20+len(message)))
		copy(h[12:], from.AsSlice())
		copy(h[16:], r.src.AsSlice())
		bin.BigEndian.PutUint16(h[10:], icmp.Checksum(h))
		return append(append(b, h...), message...)
	}
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, icmp.ProtocolICMPv6, 64
	bin.BigEndian.PutUint16(h[4:], uint16(len(message)))
	copy(h[8:], from.AsSlice())
	copy(h[24:], r.src.AsSlice())
	pseudo := append(append([]byte(nil), h[8:40]...), 0, 0, byte(len(message)>>8), byte(len(message)), 0, 0, 0, icmp.ProtocolICMPv6)
	bin.BigEndian.PutUint16(message[2:], icmp.Checksum(append(pseudo, message...)))
	return append(append(b, h...), message...)
}

func (p *peer) send(frame []byte) error {
	_, err := syscall.Write(p.fd, frame)
	return err
}

// sendDue sends the answers whose time has come.
func (p *peer) sendDue(now time.Time) error {
	kept := p.later[:0]
	for _, d := range p.later {
		if d.at.After(now) {
			kept = append(kept, d)
			continue
		}
		if err := p.send(d.frame); err != nil {
			return err
		}
	}
	p.later = kept
	return nil
}
