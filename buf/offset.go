package buf

import "unsafe"

// offsetIn gives the place of sub inside chunk.
func offsetIn(chunk, sub []byte) (int, bool) {
	c, s := uintptr(unsafe.Pointer(unsafe.SliceData(chunk))), uintptr(unsafe.Pointer(unsafe.SliceData(sub)))
	if s < c || s >= c+uintptr(len(chunk)) {
		return 0, false
	}
	return int(s - c), true
}
