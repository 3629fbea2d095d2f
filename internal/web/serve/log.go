package serve

import (
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// logRequests writes one line a request. patience is how long a part of a stream
// may take. The query is left out: people put
// tokens there, and a log must not keep them (RFC 6750, section 5.3).
func logRequests(log *slog.Logger, patience time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		// Answers are for the caller alone unless a handler says otherwise,
		// and a browser must not guess what they are.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		seen := &statusWriter{ResponseWriter: w, patience: patience, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		log.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", seen.status),
			slog.Duration("duration", time.Since(start).Round(time.Microsecond)), slog.String("remote", r.RemoteAddr))
	})
}

// logFile takes the lines of the log. Each is written at once, but for those of requests
// that end within a millisecond of others: these are written together, since the
// write is what a line costs. A server that is killed loses only what waits.
type logFile struct {
	mu      sync.Mutex
	out     io.Writer
	waiting []byte
	request time.Time   // when a request's line was written
	later   *time.Timer // writes those that wait
}

// together is how long the line of a request may wait.
const together = time.Millisecond

// Write writes a line, behind those that wait.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, line...)
	return len(line), l.flush()
}

// flush writes the lines that wait. The lock is held.
func (l *logFile) flush() error {
	_, err := l.out.Write(l.waiting)
	l.waiting = l.waiting[:0]
	return err
}

// requestLog takes the lines that may wait.
type requestLog struct{ *logFile }

// Write writes the line of a request, or lets it wait for others.
func (l requestLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, line...)
	switch wait := together - time.Since(l.request); {
	case wait <= 0:
		l.request = time.Now()
		return len(line), l.flush()
	case l.later == nil:
		l.later = time.AfterFunc(wait, l.end)
	case len(l.waiting) == len(line): // the first that waits
		l.later.Reset(wait)
	}
	return len(line), nil
}

// end writes the lines that wait.
func (l *logFile) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 {
		l.request = time.Now()
		_ = l.flush() // there is nobody to tell
	}
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
