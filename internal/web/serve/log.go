package serve

import (
	"net/http"
	"time"

	"mcp-auth-step-by-step/internal/web/logging"
)

// logRequests writes one line a request. The query is left out: people put
// tokens there, and a log must not keep them (RFC 6750, section 5.3).
func logRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		// Answers are for the caller alone unless a handler says otherwise,
		// and a browser must not guess what they are.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		logging.FromContext(r.Context()).InfoContext(r.Context(), "request",
			"method", r.Method, "path", r.URL.Path, "status", seen.status,
			"duration", time.Since(start).Round(time.Microsecond), "remote", r.RemoteAddr)
	})
}

// statusWriter remembers the status. It has no Flush on purpose: nothing here
// streams, and a handler that asks must be told so.
type statusWriter struct {
	http.ResponseWriter
	status  int
	written bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.written {
		w.status, w.written = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
