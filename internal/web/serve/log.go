package serve

import (
	"net/http"
	"time"

	"mcp-auth-step-by-step/internal/web/logging"
)

// logRequests writes one line a request. patience is how long a part of a stream
// may take. The query is left out: people put
// tokens there, and a log must not keep them (RFC 6750, section 5.3).
func logRequests(patience time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		// Answers are for the caller alone unless a handler says otherwise,
		// and a browser must not guess what they are.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		seen := &statusWriter{ResponseWriter: w, patience: patience, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		logging.FromContext(r.Context()).InfoContext(r.Context(), "request",
			"method", r.Method, "path", r.URL.Path, "status", seen.status,
			"duration", time.Since(start).Round(time.Microsecond), "remote", r.RemoteAddr)
	})
}

// statusWriter remembers the status, and lets answers stream.
type statusWriter struct {
	http.ResponseWriter
	patience time.Duration // for one part of a stream; 0: no limit
	status   int
	written  bool
	streams  bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.written {
		w.status, w.written = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.written = true
	if w.streams {
		w.extend()
	}
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written so far. From then on the answer is a stream: it may
// last, and [Limits.Write] holds for each of its parts.
func (w *statusWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *statusWriter) FlushError() error {
	w.written, w.streams = true, true
	w.extend()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// extend begins the time for a part of a stream. A recorder in a test knows no
// deadlines.
func (w *statusWriter) extend() {
	if w.patience > 0 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience))
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
