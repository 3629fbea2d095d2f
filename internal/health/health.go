// Package health answers GET /health with what the server can do.
package health

import (
	"net/http"

	"mcp-auth-step-by-step/internal/jsonreply"
)

// Report is the body of GET /health. Each layer adds what it brings before
// the server starts; a Report is not changed afterwards.
type Report struct{ facts map[string]any }

// New returns a report that says the server is healthy, and nothing else.
func New() *Report { return &Report{facts: map[string]any{"status": "healthy"}} }

// Add states one more fact.
func (r *Report) Add(name string, value any) { r.facts[name] = value }

// ServeHTTP answers with the report. It must not be cached: it is about now.
func (r *Report) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	jsonreply.Write(w, http.StatusOK, r.facts)
}
