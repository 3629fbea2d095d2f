package authserver

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// location is where the server is reached.
type location struct {
	issuer string
	url    *url.URL // the issuer
	hosts  []string // Host headers by which the server is addressed
}

// locate reads the issuer, a URL in the form in which it is compared byte by
// byte (RFC 8414, section 2), with Keycloak's path. Besides the issuer's own
// host, a server on loopback is addressed by the other names of that, with the
// same port.
func locate(issuer string, more []string, r *realm.Realm) (location, error) {
	u, err := baseurl.Parse("issuer", issuer)
	switch {
	case err != nil:
		return location{}, err
	case !strings.HasSuffix(u.Path, "/realms/"+r.Name):
		return location{}, fmt.Errorf("issuer %q must end with /realms/%s, the realm in the realm file", issuer, r.Name)
	case !baseurl.Secure(u) || u.Scheme == "http" && r.RequireTLS:
		return location{}, fmt.Errorf("issuer %q must be https, because passwords and tokens would cross the network in the clear: "+
			"put a TLS proxy in front and state its public address with -url", issuer)
	}
	hosts := append([]string{u.Host}, more...)
	if port, err := strconv.Atoi(u.Port()); err == nil && loopback.URL(u) {
		hosts = append(hosts, loopback.HostPorts(port)...)
	}
	return location{issuer, u, hosts}, nil
}

// base is the path of the issuer.
func (l location) base() string { return l.url.Path }

// endpoint is the URL of a path below the issuer.
func (l location) endpoint(path string) string { return l.issuer + path }

func (l location) hasHost(host string) bool {
	return slices.ContainsFunc(l.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// sameSite refuses what another site made the browser send. The pages of this
// server send no referrer, so their forms have the Origin "null" (Fetch, "append
// a request Origin header"). Then Sec-Fetch-Site decides, and in any case the
// cookie and the identifier in the form.
func (l location) sameSite(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 || len(origins) == 1 && origins[0] == "null" {
		return true
	}
	u, err := baseurl.ParseOrigin("Origin", origins[0])
	return err == nil && len(origins) == 1 && u.Scheme == l.url.Scheme && l.hasHost(u.Host)
}

// Cookies. The first tells browsers apart and binds an interaction to one of
// them; the second stands for a login, and is a new one after each.
const (
	browserCookie = "mcp_browser"
	sessionCookie = "mcp_session"

	upstreamCookie = "mcp_upstream" // begins the names of those for logins at a provider
	chooseCookie   = "mcp_choose"   // the last login there was with a wrong account
)

// setCookie sets a cookie that no script can read, and that other sites' requests
// don't carry, but for links to here. Over https its name promises that no other
// host can have set it. seconds is how long the browser keeps it: 0 until it ends;
// -1 takes it away.
func (l location) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	c := &http.Cookie{
		Name: l.cookieName(name), Value: value, MaxAge: seconds,
		Path: l.base(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if l.tls() {
		c.Path, c.Secure = "/", true
	}
	http.SetCookie(w, c)
}

func (l location) cookieName(name string) string {
	if l.tls() {
		return "__Host-" + name
	}
	return name
}

func (l location) tls() bool { return l.url.Scheme == "https" }

// cookieDigest is the digest of a cookie's value, or empty. Where a browser
// sends two of one name, somebody else may have set one: neither counts.
func (l location) cookieDigest(r *http.Request, name string) string {
	found := r.CookiesNamed(l.cookieName(name))
	if len(found) != 1 || len(found[0].Value) != len(secret()) {
		return ""
	}
	return digest(found[0].Value)
}
