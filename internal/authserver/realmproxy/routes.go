package realmproxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/cors"
)

// readers says which web pages may read the answers of a route.
type readers int

const (
	nobody  readers = iota // pages for people, with cookies
	listed                 // the configured Origins
	anybody                // public documents
)

// route is what the proxy knows about a path.
type route struct {
	path     string // at the upstream
	methods  []string
	readers  readers
	metadata bool // holds URLs that must name the proxy
}

type routeKey struct{}

func routeOf(r *http.Request) route {
	found, _ := r.Context().Value(routeKey{}).(route)
	return found
}

func (r route) allows(method string) bool {
	return slices.Contains(r.methods, method) || method == http.MethodOptions && r.readers != nobody
}

var (
	reading = []string{http.MethodGet, http.MethodHead}
	posting = []string{http.MethodPost}
	both    = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	// managing is RFC 7592's, for the client at its registration.
	managing = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
)

// wellKnown are the documents that describe the realm: RFC 8414 inserts its
// path before the issuer's, OpenID Connect Discovery appends it, and clients
// try each with both.
var wellKnown = []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}

// endpoints are those that programs call, and so do pages that are programs.
var endpoints = map[string]route{
	"/protocol/openid-connect/certs":    {methods: reading, readers: anybody},
	"/protocol/openid-connect/token":    {methods: posting, readers: listed},
	"/protocol/openid-connect/revoke":   {methods: posting, readers: listed},
	"/protocol/openid-connect/userinfo": {methods: both, readers: listed},
}

// route finds out where a path leads, if anywhere. A path must have one
// reading: escapes, dot segments, empty segments, backslashes and matrix
// parameters (";", which Java servers cut off) are read in more than one way,
// and the realm has no use for them.
func (p *proxy) route(u *url.URL) (route, bool) {
	path := u.EscapedPath()
	if strings.ContainsAny(path, `%;\`) || strings.Contains(path, "//") || slices.ContainsFunc(strings.Split(path, "/"), isDots) {
		return route{}, false
	}
	for _, document := range wellKnown {
		switch path {
		case document + p.realm, p.realm + document:
			// All providers have the appended form; Keycloak has no inserted
			// one for OpenID.
			return route{path: p.realm + document, methods: reading, readers: anybody, metadata: true}, true
		}
	}
	if path == p.realm {
		return route{path: path, methods: reading, readers: anybody}, true
	}
	if below, ok := strings.CutPrefix(path, p.realm+"/"); ok {
		found, known := endpoints["/"+below]
		switch {
		case known:
		case strings.HasPrefix(below, "clients-registrations/"):
			found = route{methods: managing, readers: listed}
		default:
			found = route{methods: both}
		}
		found.path = path
		return found, true
	}
	// What Keycloak's pages are made of.
	return route{path: path, methods: reading}, strings.HasPrefix(path, "/resources/")
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

// allow lets a page read an answer if it may.
func (p *proxy) allow(h http.Header, origin string, who readers) {
	switch who {
	case anybody:
		cors.AllowAll(h)
	case listed:
		cors.Allow(h, origin, p.origins)
	}
}

// preflight answers in the upstream's place: it never sees OPTIONS.
func (p *proxy) preflight(w http.ResponseWriter, r *http.Request, to route) {
	answer := cors.Preflight(p.origins, to.methods...)
	if to.readers == anybody {
		answer = cors.PreflightToAll(to.methods...)
	}
	answer.ServeHTTP(w, r)
}
