package serve

import (
	"net/http"
	"net/url"
	"strings"
)

const wellKnown = "/.well-known/"

// Mount lets the routes of next be reached below the path of the site's URL,
// for servers behind a proxy that passes that path on: with -url
// https://example.com/api, POST /api/mcp reaches the route /mcp. Documents below
// /.well-known/ have the path behind their name (RFC 8414, section 3.1; RFC
// 9728, section 3.1). Where the proxy takes the path away, nothing changes.
func (s Site) Mount(next http.Handler) http.Handler {
	u, err := url.Parse(s.URL)
	if err != nil || u.Path == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := *r
		inner.URL = new(url.URL)
		*inner.URL = *r.URL
		inner.URL.Path, inner.URL.RawPath = without(u.Path, r.URL.Path), ""
		next.ServeHTTP(w, &inner)
	})
}

// without takes the base path out of the path of a request.
func without(base, path string) string {
	if rest, ok := strings.CutPrefix(path, base+"/"); ok {
		return "/" + rest
	}
	rest, ok := strings.CutPrefix(path, wellKnown)
	if !ok {
		return path
	}
	if name, behind, ok := strings.Cut(rest, base); ok && !strings.Contains(name, "/") && (behind == "" || behind[0] == '/') {
		return wellKnown + name + behind
	}
	return path
}
