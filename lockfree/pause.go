//go:build amd64 || arm64

package lockfree

// pause tells the processor n times, at least once, that this is a spin: it then leaves the core to its other thread
// and does not fill the pipeline with loads that it must throw away when the line changes. Go has no word for it.
func pause(n uint32)
