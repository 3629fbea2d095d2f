// Package cors lets browser clients read the answers of the MCP endpoint, and
// only pages whose Origin may call it at all (Fetch, "CORS protocol").
package cors

import (
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/mcpserver/originguard"
)

// requestHeaders may be sent by pages, and besides them every Mcp-* header:
// 2026-07-28 makes some of them up from tool parameters.
var requestHeaders = []string{"authorization", "content-type", "accept", "last-event-id"}

// exposed is what pages may read of an answer, beyond what they always may.
const exposed = "WWW-Authenticate, Mcp-Session-Id"

// Expose lets pages of the allowed Origins read the answers of next, refusals
// included: a client that can't see the challenge can't find its way.
func Expose(origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if allow(w, r, origins) {
			w.Header().Set("Access-Control-Expose-Headers", exposed)
		}
		next.ServeHTTP(w, r)
	})
}

// Preflight answers OPTIONS for the methods of a route. It never looks at
// credentials: browsers send none here.
func Preflight(origins []string, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
		if allow(w, r, origins) {
			preflight(w, r, methods)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// PreflightPublic is [Preflight] for documents that any page may read.
func PreflightPublic() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		preflight(w, r, []string{http.MethodGet, http.MethodHead})
		w.WriteHeader(http.StatusNoContent)
	})
}

// allow names the Origin of the request if it may read the answer. The answer
// depends on the Origin either way, so caches must know.
func allow(w http.ResponseWriter, r *http.Request, origins []string) bool {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !originguard.Allowed(origins, origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	return true
}

func preflight(w http.ResponseWriter, r *http.Request, methods []string) {
	var granted []string
	for _, name := range strings.Split(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(requestHeaders, name) || strings.HasPrefix(name, "mcp-") && isToken(name) {
			granted = append(granted, name)
		}
	}
	w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	w.Header().Set("Access-Control-Allow-Headers", strings.Join(granted, ", "))
	w.Header().Set("Access-Control-Max-Age", "600")
	w.Header().Add("Vary", "Access-Control-Request-Headers")
}

func isToken(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
