//go:build race

package process

import "time"

// recovery is longer here: a program with the race detector takes its time to start.
const recovery = 2 * time.Second
