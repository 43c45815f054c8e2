package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ringway/ringway/sys"
)

// The environment variables by which a master tells a program that it is a worker, and its successor that it is a master.
// What they name are descriptors.
const (
	workerVariable = "RINGWAY_WORKER"
	stateVariable  = "RINGWAY_MASTER_STATE"
)

// IsWorker reports whether this process was started by a master as its worker: it is to call RunWorker.
func IsWorker() bool { return os.Getenv(workerVariable) != "" }

// inherited is what a worker is born with.
type inherited struct {
	link       int // socket to the master
	crash      int // memory for the last words
	control    int // listening socket to be adopted by; -1 if it is to end with its master
	generation uint64
	held       bool // another worker serves, and goes on until this one is told to
}

// errNotWorker says that a program was not started as a worker.
var errNotWorker = errors.New("process: this program was not started by a master")

func (i inherited) String() string {
	held := 0
	if i.held {
		held = 1
	}
	return fmt.Sprintf("link=%d crash=%d control=%d generation=%d held=%d", i.link, i.crash, i.control, i.generation, held)
}

// parseInherited reads what String wrote. A later master may tell more: what is not known is skipped.
func parseInherited(s string) (inherited, error) {
	i := inherited{link: -1, crash: -1, control: -1}
	for word := range strings.FieldsSeq(s) {
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "link":
			i.link = int(n)
		case "crash":
			i.crash = int(n)
		case "control":
			i.control = int(n)
		case "generation":
			i.generation = uint64(n)
		case "held":
			i.held = n == 1
		}
	}
	if i.link < 0 {
		return i, errNotWorker
	}
	return i, nil
}

// inherit takes what the master left, and forgets the variable, so that no child takes itself for a worker.
func inherit() (inherited, error) {
	i, err := parseInherited(os.Getenv(workerVariable))
	if err != nil {
		return i, err
	}
	if err := os.Unsetenv(workerVariable); err != nil {
		return i, err
	}
	for _, fd := range []int{i.link, i.crash, i.control} {
		if fd >= 0 {
			if err := sys.KeepOnExec(fd, false); err != nil {
				return i, fmt.Errorf("what the master left: %w", err)
			}
		}
	}
	return i, nil
}

// without is an environment without some variables.
func without(env []string, names ...string) (kept []string) {
next:
	for _, v := range env {
		for _, name := range names {
			if strings.HasPrefix(v, name+"=") {
				continue next
			}
		}
		kept = append(kept, v)
	}
	return kept
}
