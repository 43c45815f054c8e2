package gateway

import (
	"context"
	"time"

	"github.com/ringway/ringway/process"
)

// MasterStatus is the process above a worker, as a status has it.
type MasterStatus struct {
	PID     int            `json:"pid"`
	Phase   string         `json:"phase"`
	Product string         `json:"product"`
	Started time.Time      `json:"started"`
	Workers []WorkerStatus `json:"workers"`
	// Crashes are workers that ended and were not meant to: the last ones, oldest first.
	Crashes     []process.Crash `json:"crashes"`
	LastFailure string          `json:"last_failure,omitempty"` // why the last reload or upgrade was not done
}

// WorkerStatus is what a master knows of a worker.
type WorkerStatus struct {
	ID         uint64    `json:"id"`
	PID        int       `json:"pid"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Started    time.Time `json:"started"`
	Product    string    `json:"product"`
	ConfigHash string    `json:"config_hash"`
}

// masterTimeout bounds what a status waits for the master.
const masterTimeout = time.Second

// masterStatus asks the master, if there is one. One that does not answer is not in the status.
func (g *Gateway) masterStatus() *MasterStatus {
	ask := g.options.Hooks.Master
	if ask == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), masterTimeout)
	defer cancel()
	m, err := ask(ctx)
	if err != nil {
		g.log.Warn("the master does not tell how it is", "err", err)
		return nil
	}
	return &m
}

// masterOf has a worker's master asked.
func masterOf(master *process.Client) func(context.Context) (MasterStatus, error) {
	return func(ctx context.Context) (MasterStatus, error) {
		s, err := master.Master(ctx)
		m := MasterStatus{PID: s.PID, Phase: s.Phase, Product: s.Product, Started: s.Started, Workers: []WorkerStatus{}, Crashes: s.Crashes, LastFailure: s.LastFailure}
		if m.Crashes == nil {
			m.Crashes = []process.Crash{} // a list in JSON, too
		}
		for _, w := range s.Workers {
			m.Workers = append(m.Workers, WorkerStatus{w.ID, w.PID, w.State, w.Since, w.Started, w.Product, w.ConfigHash})
		}
		return m, err
	}
}
