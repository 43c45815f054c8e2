package header

import (
	"encoding/binary"
	"fmt"
)

// maxNameLen is the longest well-known name the index can hold: four words of eight bytes.
const maxNameLen = 32

// hashFirst, hashLast and hashLen make the hash of the names collision-free over 256 slots. They were found by trial: when a
// new name collides, TestHash fails and prints constants that fit.
const (
	hashFirst uint64 = 0xfe023114099cbac1
	hashLast  uint64 = 0x5a930cddb17ecb01
	hashLen   uint64 = 0xaebd172a5b4ca0bf
)

// lowerBits sets the case bit of eight letters.
const lowerBits = 0x2020202020202020

// entry is one well-known name in lower case, cut into words so that a comparison is two to four of them. The case words
// have 0x20 at the places of letters only: folding is exact, "Content\rLength" is not Content-Length.
type entry struct {
	n                  int
	first, firstCase   uint64
	last, lastCase     uint64
	second, secondCase uint64 // bytes 8 to 15 of names longer than 16
	third, thirdCase   uint64 // bytes 16 to 23 of names longer than 24
}

var (
	entries = buildEntries()
	slots   = buildSlots()
)

// Lookup returns the ID of a name, whatever its case, and Other for a name that is not well known. It does not allocate.
func Lookup(name []byte) ID {
	n := len(name)
	if n < 2 || n > maxNameLen {
		return Other
	}
	var first, last uint64
	if n >= 8 {
		first, last = binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-8:])
	} else {
		first, last = shortWords(name)
	}
	id := slots[slot(first, last, uint64(n), hashFirst, hashLast, hashLen)]
	e := &entries[id&63]
	if e.n != n || first|e.firstCase != e.first || last|e.lastCase != e.last {
		return Other
	}
	if n > 16 && !e.matchMiddle(name) {
		return Other
	}
	return id
}

// matchMiddle compares the bytes of a long name that its first and last words leave out.
func (e *entry) matchMiddle(name []byte) bool {
	if binary.LittleEndian.Uint64(name[8:])|e.secondCase != e.second {
		return false
	}
	return len(name) <= 24 || binary.LittleEndian.Uint64(name[16:])|e.thirdCase == e.third
}

// shortWords is what Lookup compares of a name of two to seven bytes: both ends, overlapping in the middle.
func shortWords(name []byte) (first, last uint64) {
	if len(name) >= 4 {
		return uint64(binary.LittleEndian.Uint32(name)), uint64(binary.LittleEndian.Uint32(name[len(name)-4:]))
	}
	return uint64(binary.LittleEndian.Uint16(name)), uint64(binary.LittleEndian.Uint16(name[len(name)-2:]))
}

// slot hashes a name by its first and last word and its length. Setting all case bits may join names that differ; the
// comparison that follows tells them apart.
func slot(first, last, n, a, b, c uint64) uint8 {
	return uint8(((first|lowerBits)*a ^ (last|lowerBits)*b ^ n*c) >> 56)
}

// buildEntries cuts the well-known names into words.
func buildEntries() (list [64]entry) {
	for id := Other + 1; id < NumIDs; id++ {
		name := names[id]
		n := len(name)
		if n < 2 || n > maxNameLen {
			panic(fmt.Sprintf("header: well-known name %q does not fit the index", name))
		}
		lower, letters := make([]byte, n), make([]byte, n)
		for i := range n {
			lower[i] = foldTable[name[i]]
			if 'a' <= lower[i] && lower[i] <= 'z' {
				letters[i] = 0x20
			}
		}
		e := &list[id]
		e.n = n
		if n < 8 {
			e.first, e.last = shortWords(lower)
			e.firstCase, e.lastCase = shortWords(letters)
			continue
		}
		e.first, e.firstCase = binary.LittleEndian.Uint64(lower), binary.LittleEndian.Uint64(letters)
		e.last, e.lastCase = binary.LittleEndian.Uint64(lower[n-8:]), binary.LittleEndian.Uint64(letters[n-8:])
		if n > 16 {
			e.second, e.secondCase = binary.LittleEndian.Uint64(lower[8:]), binary.LittleEndian.Uint64(letters[8:])
		}
		if n > 24 {
			e.third, e.thirdCase = binary.LittleEndian.Uint64(lower[16:]), binary.LittleEndian.Uint64(letters[16:])
		}
	}
	return list
}

// buildSlots places every name by its hash.
func buildSlots() (table [256]ID) {
	for id := Other + 1; id < NumIDs; id++ {
		e := &entries[id]
		table[slot(e.first, e.last, uint64(e.n), hashFirst, hashLast, hashLen)] = id
	}
	return table
}
