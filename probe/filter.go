package probe

import (
	"golang.org/x/net/bpf"

	"github.com/ringway/ringway/proto/icmp"
)

// filter is the program that the kernel runs on each packet for a socket, so that what other pingers get, and our own
// requests, which a raw socket on loopback sees as well, never reach the program. It lets pass
//
//   - echo replies with our identifier, or with either half of our nonce: one damaged bit leaves two of three right;
//   - errors that quote an echo request with our identifier.
//
// Its offsets count from the ICMP header; where the kernel delivers the IPv4 header too, register X holds its length.
func filter(f icmp.Family, header bool, id uint16, nonce uint64) ([]bpf.RawInstruction, error) {
	typ := bpf.Instruction(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	if header {
		typ = bpf.LoadMemShift{Off: 0} // four times the low half of the first byte
	}
	// The jumps are written against labels, since counting instructions by hand is how filters go wrong.
	var p program
	p.add(typ, bpf.LoadIndirect{Off: 0, Size: 1})
	if f == icmp.V6 {
		p.jump(icmp.TypeEchoReplyV6, "reply", "")
		for _, t := range []uint32{icmp.TypeUnreachableV6, icmp.TypePacketTooBigV6, icmp.TypeTimeExceededV6, icmp.TypeParameterProblemV6} {
			p.jump(t, "error", "")
		}
	} else {
		p.jump(icmp.TypeEchoReplyV4, "reply", "")
		for _, t := range []uint32{icmp.TypeUnreachableV4, icmp.TypeTimeExceededV4, icmp.TypeParameterProblemV4} {
			p.jump(t, "error", "")
		}
	}
	p.add(bpf.RetConstant{Val: 0})

	p.label("reply")
	p.add(bpf.LoadIndirect{Off: 4, Size: 2})
	p.jump(uint32(id), "accept", "")
	p.add(bpf.LoadIndirect{Off: icmp.HeaderLength, Size: 4})
	p.jump(uint32(nonce>>32), "accept", "")
	p.add(bpf.LoadIndirect{Off: icmp.HeaderLength + 4, Size: 4})
	p.jump(uint32(nonce), "accept", "")
	p.add(bpf.RetConstant{Val: 0})

	p.label("error")
	if f == icmp.V6 {
		// The quoted header is 40 bytes. If extension headers follow, the program looks for itself.
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength + 6, Size: 1})
		p.jump(icmp.ProtocolICMPv6, "", "accept")
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength + 40, Size: 1})
		p.jump(icmp.TypeEchoRequestV6, "", "drop")
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength + 40 + 4, Size: 2})
	} else {
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength + 9, Size: 1})
		p.jump(icmp.ProtocolICMP, "", "drop")
		// X becomes the start of the quoted ICMP header, less eight.
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 15},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength, Size: 1})
		p.jump(icmp.TypeEchoRequestV4, "", "drop")
		p.add(bpf.LoadIndirect{Off: icmp.HeaderLength + 4, Size: 2})
	}
	p.jump(uint32(id), "accept", "drop")

	p.label("accept")
	p.add(bpf.RetConstant{Val: 0xffff + 60})
	p.label("drop")
	p.add(bpf.RetConstant{Val: 0})
	return p.assemble()
}

// program is a BPF program whose jumps name where they go.
type program struct {
	code   []bpf.Instruction
	labels map[string]int
	jumps  []labelled
}

type labelled struct {
	at          int
	yes, no     string
	instruction bpf.JumpIf
}

func (p *program) add(code ...bpf.Instruction) { p.code = append(p.code, code...) }

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

// jump goes to one label if the accumulator is v and to the other if not; an empty one means the next instruction.
func (p *program) jump(v uint32, yes, no string) {
	p.jumps = append(p.jumps, labelled{len(p.code), yes, no, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v}})
	p.code = append(p.code, nil)
}

func (p *program) assemble() ([]bpf.RawInstruction, error) {
	distance := func(from int, label string) uint8 {
		if label == "" {
			return 0
		}
		return uint8(p.labels[label] - from - 1)
	}
	for _, j := range p.jumps {
		i := j.instruction
		i.SkipTrue, i.SkipFalse = distance(j.at, j.yes), distance(j.at, j.no)
		p.code[j.at] = i
	}
	return bpf.Assemble(p.code)
}
