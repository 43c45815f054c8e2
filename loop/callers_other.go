//go:build !amd64

package loop

import "runtime"

// callersOf gives the return addresses of the function that calls it, of that one's caller, and so on.
func callersOf() (c callers) {
	runtime.Callers(3, c[:])
	return c
}
