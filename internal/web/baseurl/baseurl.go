// Package baseurl reads the URLs that name a server, an issuer or an Origin, in
// the one form in which they are compared byte by byte (RFC 3986, section
// 6.2.1; RFC 6454, section 6.2).
package baseurl

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/web/loopback"
)

// Parse reads scheme://host[:port][/path] over http or https. It refuses user
// information, a query, a fragment, a port out of range, and a scheme or host
// with capital letters. name is what the error calls the setting or member.
func Parse(name, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", !ValidPort(u):
		return nil, fmt.Errorf("%s %.200q is not a base URL: want scheme://host[:port], as in https://mcp.example.com", name, raw)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(raw, "?#"):
		return nil, fmt.Errorf("%s %.200q must not have a user, query or fragment; remove them", name, raw)
	case raw != strings.ToLower(u.Scheme+"://"+u.Host)+u.EscapedPath():
		return nil, fmt.Errorf("%s %.200q must be in lower case up to its path: it is compared byte by byte", name, raw)
	}
	return u, nil
}

// ParseOrigin is [Parse] for URLs that end with host[:port].
func ParseOrigin(name, raw string) (*url.URL, error) {
	u, err := Parse(name, raw)
	if err == nil && u.Path != "" {
		return nil, fmt.Errorf("%s %.200q must not have a path; remove what follows host[:port], including the last slash", name, raw)
	}
	return u, err
}

// Secure reports whether a URL is fit for what is secret or trusted: https, or
// http that doesn't leave this machine (RFC 8414, section 2; RFC 8725, section
// 3.10).
func Secure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback.URL(u)
}

// Origin is scheme, host and port in the form in which origins are compared
// (RFC 6454, section 4), with the scheme's default port written out.
func Origin(u *url.URL) string {
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), Port(u))
}

// Port is the URL's port, or else the default one of http or https.
func Port(u *url.URL) string { return cmp.Or(u.Port(), defaultPorts[u.Scheme]) }

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// Canonical leaves out the port of a base URL where it is the scheme's default,
// as clients write such URLs (RFC 9110, section 4.2.3).
func Canonical(u *url.URL) string {
	return u.Scheme + "://" + strings.TrimSuffix(u.Host, ":"+defaultPorts[u.Scheme]) + u.EscapedPath()
}

// SameOrigin reports whether two URLs have one origin.
func SameOrigin(a, b *url.URL) bool { return Origin(a) == Origin(b) }

// ValidPort reports whether the port is absent, or a number from 1 to 65535
// without leading zeros.
func ValidPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}
