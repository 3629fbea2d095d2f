// Package originguard refuses requests that a foreign web page made a browser
// send: by their Host (DNS rebinding), by their Origin, and by the browser's
// own word that they cross sites.
//
// It follows MCP, Streamable HTTP, "Security & Endpoint": a present but
// invalid Origin is answered with 403. MCP clients send no Origin and pass.
package originguard

import (
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/cors"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Protect lets requests through to next that are addressed to one of hosts
// (host, or host:port) and come from no web page, or from one whose Origin is
// allowed: see [cors.Allowed].
//
// Documents under /.well-known/ are public and may be read from any Origin:
// there only the Host is checked.
func Protect(hosts, origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// net/http puts the host of an absolute-form target into r.Host too.
		if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, r.Host) }) {
			refuse(w, r, "host_not_allowed",
				"The Host header names another server. Use the address that this server printed at start, or state its public one with -url.")
			return
		}
		if isPublicRead(r) {
			next.ServeHTTP(w, r)
			return
		}
		// A page without an Origin (a plain GET) is still named by the
		// browser's fetch metadata.
		given := r.Header.Values("Origin")
		if len(given) > 1 || len(given) == 1 && !cors.Allowed(origins, given[0]) {
			refuse(w, r, "origin_not_allowed",
				"Pages of this Origin may not call this server. To allow them, start the server with -origins and their Origin.")
			return
		}
		if len(given) == 0 && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			refuse(w, r, "cross_site_request",
				"A page of another site made this request. To allow it, start the server with -origins and the Origin of the page.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isPublicRead(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return strings.HasPrefix(r.URL.Path, "/.well-known/")
	}
	return false
}

func refuse(w http.ResponseWriter, r *http.Request, code, description string) {
	logging.FromContext(r.Context()).WarnContext(r.Context(), "request refused by its Host or Origin", "error", code,
		"host", r.Host, "origin", r.Header.Values("Origin"), "fetch_site", r.Header.Get("Sec-Fetch-Site"))
	jsonreply.Error(w, http.StatusForbidden, code, description)
}
