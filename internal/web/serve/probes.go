package serve

import (
	"io"
	"net/http"
)

// answerProbes answers GET /livez and GET /readyz for orchestrators. They ask by the
// address of a container, so any Host is right, and these answers say no more than
// ok. Alive is who answers. Ready is who doesn't answer 503 to GET /health: a
// server without keys waits for its issuer, and to restart it would not help.
func answerProbes(site Site, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			next.ServeHTTP(w, r)
			return
		case r.URL.Path == "/livez":
		case r.URL.Path == "/readyz":
			status = healthOf(site, next, r)
		default:
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = io.WriteString(w, "ok\n")
		} else {
			_, _ = io.WriteString(w, "not ready\n")
		}
	})
}

// healthOf asks a server about itself: 503 or 200.
func healthOf(site Site, next http.Handler, r *http.Request) int {
	inner := r.Clone(r.Context())
	inner.Method, inner.Host, inner.URL.Path, inner.URL.RawQuery = http.MethodGet, site.Hosts()[0], "/health", ""
	inner.Header = http.Header{}
	answer := &statusWriter{ResponseWriter: &nowhere{header: http.Header{}}, status: http.StatusOK}
	next.ServeHTTP(answer, inner)
	if answer.status == http.StatusServiceUnavailable {
		return answer.status
	}
	return http.StatusOK
}

// nowhere takes an answer that nobody reads.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}
