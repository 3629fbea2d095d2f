// Package health answers GET /health with what the server can do.
package health

import (
	"maps"
	"net/http"

	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// retryAfter is after how many seconds a client may try again.
const retryAfter = "5"

// Report is the body of GET /health. Each layer adds what it brings before
// the server starts; a Report is not changed afterwards.
type Report struct {
	facts map[string]any
	needs map[string]func() bool
}

// New returns a report that says the server is healthy, and nothing else.
func New() *Report {
	return &Report{facts: map[string]any{"status": "healthy"}, needs: map[string]func() bool{}}
}

// Add states one more fact. A func() string is called for each answer.
func (r *Report) Add(name string, value any) { r.facts[name] = value }

// Need states a fact that next can't do without. While the fact isn't true, the
// server is degraded and requests to next are answered with 503 (RFC 9110,
// section 15.6.4). Without keys, for example, a token can be neither accepted
// nor rejected, so 401 would be wrong. met is called for each request.
func (r *Report) Need(name string, met func() bool, next http.Handler) http.Handler {
	r.needs[name] = met
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if !met() {
			w.Header().Set("Retry-After", retryAfter)
			jsonreply.Error(w, http.StatusServiceUnavailable, "temporarily_unavailable",
				"This server is not ready yet: GET /health says what it lacks. Try again in a few seconds.")
			return
		}
		next.ServeHTTP(w, request)
	})
}

// ServeHTTP answers with the report, and with 503 while the server is
// degraded. It must not be cached: it is about now.
func (r *Report) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	status, facts := http.StatusOK, maps.Clone(r.facts)
	for name, value := range facts {
		if current, ok := value.(func() string); ok {
			facts[name] = current()
		}
	}
	for name, met := range r.needs {
		facts[name] = met()
		if facts[name] == false {
			status, facts["status"] = http.StatusServiceUnavailable, "degraded"
		}
	}
	if status != http.StatusOK {
		w.Header().Set("Retry-After", retryAfter)
	}
	jsonreply.Write(w, status, facts)
}
