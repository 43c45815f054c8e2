package main

import (
	"bytes"
	"encoding/binary"
)

// numberSize is the length of a message's number, which it starts with.
const numberSize = 8

// patternOf is a message of that many bytes without its number: bytes that are lost, doubled or moved show.
func patternOf(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i*7 + i>>8 + i>>16)
	}
	return p
}

// matches compares a part of message number n, from offset at, with what it should be.
func matches(part, pattern []byte, n uint64, at int) bool {
	if at+len(part) > len(pattern) {
		return false
	}
	if at < numberSize {
		var want [numberSize]byte
		binary.LittleEndian.PutUint64(want[:], n)
		k := min(len(part), numberSize-at)
		if !bytes.Equal(part[:k], want[at:at+k]) {
			return false
		}
		part, at = part[k:], at+k
	}
	return bytes.Equal(part, pattern[at:at+len(part)])
}
