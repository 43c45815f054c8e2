package grpc

import (
	"math/rand/v2"
	"testing"
)

// TestMessages: wherever pieces are cut, what has passed is whole behind each message, and nowhere else.
func TestMessages(t *testing.T) {
	var wire []byte
	whole := map[int]bool{0: true}
	for _, n := range []int{0, 1, 4, 5, 6, 300, 0, 0, 70000, 2} {
		wire = append(wire, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		wire = append(wire, make([]byte, n)...)
		whole[len(wire)] = true
	}
	for range 200 {
		var m Messages
		for at := 0; at < len(wire); {
			n := min(1+rand.IntN(1+rand.IntN(2000)), len(wire)-at)
			m.Pass(wire[at : at+n])
			if at += n; m.Whole() != whole[at] {
				t.Fatalf("whole is %v behind %d bytes", m.Whole(), at)
			}
		}
	}
}

// TestMessagesBytewise: the same for each byte.
func TestMessagesBytewise(t *testing.T) {
	var m Messages
	for i, c := range []byte{1, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0} {
		m.Pass([]byte{c})
		if want := i == 6 || i == 11; m.Whole() != want {
			t.Errorf("whole is %v behind byte %d", m.Whole(), i)
		}
	}
}
