// Package cors lets web pages read answers (Fetch, "CORS protocol"): those of a
// server's own routes only pages whose Origin may call it, public documents any
// page. It never allows credentials: nothing that pages read here needs a cookie.
package cors

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// requestHeaders may be sent by pages, and besides them every Mcp-* header:
// 2026-07-28 makes some of them up from tool parameters.
var requestHeaders = []string{"authorization", "content-type", "accept", "last-event-id"}

// exposed is what pages may read of an answer, beyond what they always may.
const exposed = "WWW-Authenticate, Retry-After, Mcp-Session-Id"

// Allowed reports whether pages of an Origin may call a server: those of
// loopback over http at any port, and those that extra lists.
//
// It compares parsed scheme, host and port (RFC 6454, section 4), never
// prefixes: http://localhost.evil.com begins like a loopback Origin.
func Allowed(extra []string, origin string) bool {
	u, err := baseurl.ParseOrigin("Origin", origin)
	if err != nil {
		return false
	}
	return u.Scheme == "http" && loopback.URL(u) || slices.ContainsFunc(extra, func(listed string) bool {
		other, err := url.Parse(listed)
		return err == nil && baseurl.SameOrigin(u, other)
	})
}

// Expose lets pages read all answers of next, refusals included: a client that
// can't see the challenge, or that a method isn't allowed, can't find its way.
// What stands below /.well-known/ any page may read, the rest pages of the
// allowed Origins.
func Expose(origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			AllowAll(w.Header())
		} else {
			Allow(w.Header(), r.Header.Get("Origin"), origins)
		}
		next.ServeHTTP(w, r)
	})
}

// ExposeToAll lets every page read the answers of next.
func ExposeToAll(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		AllowAll(w.Header())
		next.ServeHTTP(w, r)
	})
}

// Preflight answers OPTIONS for the methods of a route. It never looks at
// credentials: browsers send none here.
func Preflight(origins []string, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, methods, Allow(w.Header(), r.Header.Get("Origin"), origins))
	})
}

// PreflightToAll is [Preflight] for routes whose answers any page may read.
func PreflightToAll(methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		AllowAll(w.Header())
		answer(w, r, methods, true)
	})
}

// Allow lets pages of an Origin read an answer with these headers, if [Allowed]
// says so. The answer depends on the Origin either way, so caches must know.
func Allow(h http.Header, origin string, origins []string) bool {
	addVary(h, "Origin")
	if origin == "" || !Allowed(origins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
	return true
}

// AllowAll lets every page read an answer with these headers.
func AllowAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", exposed)
}

// answer ends a preflight request.
func answer(w http.ResponseWriter, r *http.Request, methods []string, granted bool) {
	w.Header().Set("Allow", strings.Join(append(slices.Clone(methods), http.MethodOptions), ", "))
	if granted {
		w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		w.Header().Set("Access-Control-Allow-Headers", strings.Join(allowedHeaders(r), ", "))
		w.Header().Set("Access-Control-Max-Age", "600")
		addVary(w.Header(), "Access-Control-Request-Headers")
	}
	w.WriteHeader(http.StatusNoContent)
}

// allowedHeaders are those that a preflight request asks for and may have.
func allowedHeaders(r *http.Request) []string {
	var granted []string
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(requestHeaders, name) || strings.HasPrefix(name, "mcp-") && isToken(name) {
			granted = append(granted, name)
		}
	}
	return granted
}

func isToken(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func addVary(h http.Header, name string) {
	given := h.Values("Vary")
	if len(given) == 0 || !strings.Contains(strings.ToLower(strings.Join(given, ",")), strings.ToLower(name)) {
		h.Add("Vary", name)
	}
}
