package clientmetadata

import (
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/safefetch"
)

const (
	maxRedirectURIs = 20
	maxRedirectURI  = 1024 // bytes
)

// uriCharacters are the characters of a URI (RFC 3986, section 2). The
// asterisk, which is one, is left out: in a redirect URI it means "anything"
// to somebody.
const uriCharacters = letters + "0123456789-._~:/?[]@!$&'()+,;=%"

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// responseParameters are what the authorization response adds (RFC 6749,
// section 4.1.2; RFC 9207). A redirect URI that brings its own would make two
// of them.
var responseParameters = []string{"code", "state", "iss", "error", "error_description", "error_uri"}

// CheckRedirectURI tells whether codes may be sent to a URI: https to any
// host, http to this machine (MCP, "Communication Security"), or a private-use
// scheme of a native app, which is a domain name in reverse and so has a dot
// (RFC 8252, section 7.1). The error is an [*Error].
func CheckRedirectURI(uri string) error {
	refuse := func(why string) error {
		return &Error{InvalidRedirectURI, "The redirect URI " + quoted(uri) + " " + why + "."}
	}
	if uri == "" || len(uri) > maxRedirectURI {
		return refuse("must have 1 to 1024 characters")
	}
	for _, c := range []byte(uri) {
		if strings.IndexByte(uriCharacters, c) < 0 {
			return refuse("has a character that it must not have: fragments, wildcards, blanks and backslashes are refused")
		}
	}
	u, err := url.Parse(uri)
	if err != nil || !strings.HasPrefix(uri, u.Scheme+":") {
		return refuse("is no absolute URI with a scheme in lower case")
	}
	private := isPrivateUse(u.Scheme)
	switch {
	case u.Scheme != "https" && u.Scheme != "http" && !private:
		return refuse("must use https, http to this machine, or a scheme of your own such as com.example.app:/callback")
	case u.Opaque != "" || !strings.HasPrefix(uri, u.Scheme+":/"):
		return refuse("must have a slash after the scheme")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return refuse("must not have userinfo")
	case hasDotSegments(u):
		return refuse("must not have the path segments . or ..")
	case hasResponseParameter(u):
		return refuse("must not have a parameter that the response adds")
	// A private-use scheme needs no host; one that is there must be one.
	case !safefetch.ValidAuthority(u) && (!private || strings.HasPrefix(uri, u.Scheme+"://")):
		return refuse("has no valid host and port")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return refuse("must use https; http is for localhost, 127.0.0.1 and [::1]")
	}
	return nil
}

// isPrivateUse tells whether a scheme is a domain name in reverse: at least two
// words with dots between.
func isPrivateUse(scheme string) bool {
	words := strings.Split(scheme, ".")
	return len(words) > 1 && !slices.Contains(words, "")
}

// AllowsRedirect compares a redirect URI to the letter with those of the
// client. Where one of these is http to a literal loopback address, the port
// may differ, since a native app takes the one that is free (RFC 8252, section
// 7.3); localhost is a name and has no such freedom (section 8.3).
func (m *Metadata) AllowsRedirect(uri string) bool {
	if slices.Contains(m.RedirectURIs, uri) {
		return true
	}
	free, ok := withoutPort(uri)
	return ok && slices.ContainsFunc(m.RedirectURIs, func(registered string) bool {
		known, ok := withoutPort(registered)
		return ok && known == free
	})
}

// LoopbackOnly tells whether all redirect URIs lead to the user's own machine.
// Any program there can take such a client's place, which the user should be
// told (MCP, "Localhost Redirect URI Risks").
func (m *Metadata) LoopbackOnly() bool {
	return len(m.RedirectURIs) > 0 && !slices.ContainsFunc(m.RedirectURIs, func(uri string) bool {
		u, err := url.Parse(uri)
		return err != nil || u.Scheme != "http" && u.Scheme != "https" || !isLoopback(u.Hostname())
	})
}

// withoutPort takes the port out of an http URI whose host is a literal
// loopback address, written in its one canonical form; others it refuses.
func withoutPort(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", false
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	addr, err := netip.ParseAddr(strings.Trim(authority, "[]"))
	if withPort, portErr := netip.ParseAddrPort(authority); portErr == nil {
		if withPort.Port() == 0 || withPort.String() != authority {
			return "", false
		}
		addr = withPort.Addr()
	} else if err != nil || authority != bracketed(addr) {
		return "", false
	}
	return "http://" + bracketed(addr) + tail, isLoopback(addr.String())
}

func bracketed(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return "[" + addr.String() + "]"
}

// isLoopback knows localhost and the literal loopback addresses, each in one
// spelling.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" ||
		err == nil && addr.IsLoopback() && !addr.Is4In6() && addr.Zone() == "" && addr.String() == host
}

// hasDotSegments looks for . and .. in a path, also in their percent-encoded
// form: readers differ in whether they remove those.
func hasDotSegments(u *url.URL) bool {
	return slices.ContainsFunc(strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == '\\' }),
		func(segment string) bool { return segment != "" && path.Clean("/"+segment) != "/"+segment })
}

func hasResponseParameter(u *url.URL) bool {
	query, err := url.ParseQuery(u.RawQuery)
	return err != nil || slices.ContainsFunc(responseParameters, query.Has)
}

// quoted shortens what a stranger wrote, for an error that he will see.
func quoted(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
	if len(clean) > 80 {
		clean = clean[:80] + "..."
	}
	return "'" + clean + "'"
}
