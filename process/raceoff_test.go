//go:build !race

package process

import "time"

// recovery is how long a client may wait for another worker after a crash.
const recovery = 100 * time.Millisecond
