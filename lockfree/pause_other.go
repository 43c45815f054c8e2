//go:build !amd64 && !arm64

package lockfree

// pause has no instruction here: it passes a little time.
func pause(n uint32) {
	for range n {
		passTime()
	}
}

//go:noinline
func passTime() {}
