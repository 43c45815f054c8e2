//go:build !race

package test

// raceEnabled says that the tests, and so the binary they start, watch for data races.
const raceEnabled = false
