// Package originguard refuses requests that a foreign web page made a browser
// send: by their Host (DNS rebinding), by their Origin, and by the browser's
// own word that they cross sites.
//
// It follows MCP, Streamable HTTP, "Security & Endpoint": a present but
// invalid Origin is answered with 403. MCP clients send no Origin and pass.
package originguard

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Protect lets requests through to next that are addressed to one of hosts
// (host, or host:port) and come from no web page, or from one whose Origin is
// [Allowed].
//
// Documents under /.well-known/ are public and may be read from any Origin:
// there only the Host is checked.
func Protect(hosts, origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// net/http puts the host of an absolute-form target into r.Host too.
		if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, r.Host) }) {
			refuse(w, r, "host_not_allowed",
				"This server does not go by the name in the Host header. Use the address it printed at start, or state its public one with -url.")
			return
		}
		if isPublicRead(r) {
			next.ServeHTTP(w, r)
			return
		}
		// A page without an Origin (a plain GET) is still named by the
		// browser's fetch metadata.
		given := r.Header.Values("Origin")
		if len(given) > 1 || len(given) == 1 && !Allowed(origins, given[0]) {
			refuse(w, r, "origin_not_allowed",
				"Pages of this Origin may not call this server. If they should, start it with -origins and their Origin.")
			return
		}
		if len(given) == 0 && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			refuse(w, r, "cross_site_request",
				"A page of another site made this request. MCP clients call this server themselves, or from an Origin that -origins names.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Allowed reports whether pages of an Origin may call the server: those of
// loopback over http at any port, and those that extra lists.
//
// It compares parsed scheme, host and port (RFC 6454, section 4), never
// prefixes: http://localhost.evil.com starts like a friend.
func Allowed(extra []string, origin string) bool {
	if slices.Contains(extra, origin) {
		return true
	}
	u, err := url.Parse(origin)
	// An Origin is scheme://host[:port] and nothing more; whatever doesn't
	// read back as that holds userinfo, a path, a query or worse.
	if err != nil || u.Scheme != "http" || u.Scheme+"://"+u.Host != origin {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && !addr.Is4In6() && addr.IsLoopback()
}

func isPublicRead(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return strings.HasPrefix(r.URL.Path, "/.well-known/")
	}
	return false
}

func refuse(w http.ResponseWriter, r *http.Request, code, description string) {
	logging.FromContext(r.Context()).WarnContext(r.Context(), "refused before any route", "error", code,
		"host", r.Host, "origin", r.Header.Values("Origin"), "fetch_site", r.Header.Get("Sec-Fetch-Site"))
	jsonreply.Error(w, http.StatusForbidden, code, description)
}
