package service

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/brevet-access/brevet/store"
)

// metrics are what /metrics shows. They name routes, never people, targets or
// customers.
type metrics struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec
	sweeps   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "brevet_http_request_seconds",
			Help: "Time to answer, by route and status.", Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 60}}, []string{"route", "status"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "brevet_sweeps_total",
			Help: "Reconciliations, by outcome."}, []string{"outcome"}),
	}
	m.registry.MustRegister(m.seconds, m.sweeps, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observe(route string, status int, d time.Duration) {
	m.seconds.WithLabelValues(route, strconv.Itoa(status)).Observe(d.Seconds())
}

func (m *metrics) swept(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.sweeps.WithLabelValues(outcome).Inc()
}

// handler answers loopback and the given networks; to others there is no such
// page. The peer's own address counts; what a proxy passes on is refused.
func (m *metrics) handler(from []netip.Prefix, db *store.DB, unseen func() int) http.Handler {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "brevet_log_entries", Help: "Entries in the audit log."},
		func() float64 { return float64(db.Head().Size) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "brevet_identity_center_unseen_accounts", Help: "Accounts of which the last look at who is let in through IAM Identity Center failed."},
			func() float64 { return float64(unseen()) }))
	page := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forwarded := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" // by a proxy, for somebody else
		if forwarded || !allowed(r.RemoteAddr, from) {
			http.NotFound(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
}

func allowed(remote string, from []netip.Prefix) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	for _, p := range from {
		if p.Contains(addr) {
			return true
		}
	}
	return addr.IsLoopback()
}
