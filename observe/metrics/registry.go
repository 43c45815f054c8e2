package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the handler: a scrape asks every loop, so a few at a time are
// enough, and one that gets no answer must not pile up.
const (
	maxScrapes    = 4
	scrapeTimeout = 10 * time.Second
)

// Build says which program this is.
type Build struct {
	Version string
	Driver  string // the loops' driver: uring, epoll or sim
}

// NewRegistry returns a registry with the gateway's metrics from source,
// ringway_build_info, and those of the Go runtime and of the process. It is
// a registry of its own, not Prometheus' global one.
func NewRegistry(b Build, source func() Snapshot) *prometheus.Registry {
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ringway_build_info",
		Help: "Always 1; the labels say which build runs, and on which driver.",
		ConstLabels: prometheus.Labels{
			"version":    label(&b.Version),
			"go_version": runtime.Version(),
			"driver":     label(&b.Driver),
		},
	}, func() float64 { return 1 })
	r := prometheus.NewRegistry()
	r.MustRegister(
		NewCollector(source),
		info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Handler serves r to Prometheus. A metric that cannot be gathered is logged
// and left out; the others are served.
func Handler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
		EnableOpenMetrics:   true,
	})
}
