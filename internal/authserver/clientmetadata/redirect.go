package clientmetadata

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

const (
	maxRedirectURIs = 20
	maxRedirectURI  = 512 // bytes
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

// Redirect is a redirect URI that [ParseRedirect] accepted. It is comparable:
// two are equal exactly if their texts are. The zero value is the absence of
// one.
type Redirect struct {
	uri          string
	scheme, host string // host without brackets
	authority    string // host and port as they stand in the URI
}

// ParseRedirect reads a URI whose form allows to send codes to it: https to any
// host, http to this machine (MCP, "Communication Security"), or the private-use
// scheme of a native app (RFC 8252, section 7.1). Whether its host or scheme is
// permitted is for a realm to say. The error is an [*Error].
func ParseRedirect(uri string) (Redirect, error) {
	refuse := func(why string) (Redirect, error) {
		return Redirect{}, &Error{InvalidRedirectURI, "The redirect URI " + quoted(uri) + " " + why + "."}
	}
	if uri == "" || len(uri) > maxRedirectURI {
		return refuse("must have 1 to " + strconv.Itoa(maxRedirectURI) + " bytes")
	}
	for _, c := range []byte(uri) {
		if strings.IndexByte(uriCharacters, c) < 0 {
			return refuse("has a character that is not allowed: remove fragments, wildcards, blanks and backslashes")
		}
	}
	u, err := url.Parse(uri)
	if err != nil || !strings.HasPrefix(uri, u.Scheme+":") {
		return refuse("is not an absolute URI with a scheme in lower case")
	}
	private := isPrivateUse(u.Scheme)
	switch {
	case u.Scheme != "https" && u.Scheme != "http" && !private:
		return refuse("must use https, http to localhost, or an application's own scheme such as com.example.app:/callback; " +
			"schemes that browsers or operating systems handle themselves are refused")
	case u.Opaque != "" || !strings.HasPrefix(uri, u.Scheme+":/"):
		return refuse("must have a slash after the scheme, as in com.example.app:/callback")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return refuse("must not have user information")
	case hasDotSegments(u):
		return refuse("must not have the path segments . or ..")
	case hasResponseParameter(u):
		return refuse("must not have a parameter that the authorization response adds, such as code or state")
	// A private-use scheme needs no host; one that is there must be one.
	case !safefetch.ValidAuthority(u) && (!private || strings.HasPrefix(uri, u.Scheme+"://")):
		return refuse("does not have a valid host and port")
	case u.Scheme == "http" && !loopback.Canonical(u.Hostname()):
		return refuse("must use https; http is only allowed for localhost, 127.0.0.1 and [::1]")
	}
	return Redirect{uri: uri, scheme: u.Scheme, host: u.Hostname(), authority: u.Host}, nil
}

// MustRedirects parses URIs that are known to be good, and panics if one isn't.
func MustRedirects(uris ...string) []Redirect {
	list, err := parseRedirects(uris)
	if err != nil {
		panic(err)
	}
	return list
}

func parseRedirects(uris []string) ([]Redirect, error) {
	list := make([]Redirect, len(uris))
	for i, uri := range uris {
		var err error
		if list[i], err = ParseRedirect(uri); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// String is the URI as it was registered or asked for.
func (r Redirect) String() string { return r.uri }

// MarshalText makes a JSON string of the URI.
func (r Redirect) MarshalText() ([]byte, error) { return []byte(r.uri), nil }

// UnmarshalText reads what MarshalText wrote, the zero value too.
func (r *Redirect) UnmarshalText(text []byte) (err error) {
	*r = Redirect{}
	if len(text) > 0 {
		*r, err = ParseRedirect(string(text))
	}
	return err
}

// Scheme is https, http or a private-use scheme.
func (r Redirect) Scheme() string { return r.scheme }

// Private reports whether the scheme is a private-use one.
func (r Redirect) Private() bool { return r.scheme != "https" && r.scheme != "http" }

// Host is the host without port, as realm files name it: IPv6 addresses in
// brackets, and empty where a private-use URI has none.
func (r Redirect) Host() string {
	if strings.Contains(r.host, ":") {
		return "[" + r.host + "]"
	}
	return r.host
}

// Origin is scheme://host[:port] as it stands in the URI, and for private-use
// schemes the scheme with its colon: what stands after that is the app's own,
// and proves nothing.
func (r Redirect) Origin() string {
	if r.Private() {
		return r.scheme + ":"
	}
	return r.scheme + "://" + r.authority
}

// Destination is where a code goes, as people should see it: host[:port], or
// the private-use scheme with its colon.
func (r Redirect) Destination() string {
	if r.Private() {
		return r.scheme + ":"
	}
	return r.authority
}

// Local reports whether a program on the user's machine takes the code: one
// that listens on loopback, or that has claimed a private-use scheme.
func (r Redirect) Local() bool { return r.Private() || loopback.Host(r.host) }

// matches reports whether a URI that was asked for is this registered one:
// byte by byte, but for the port of http to this machine. A native app takes
// the port that is free (RFC 8252, section 7.3; RFC 9700, sections 2.1 and
// 4.1.3). Host names are not exchanged for each other.
func (r Redirect) matches(asked Redirect) bool {
	free := r.scheme == "http" && loopback.Canonical(r.host)
	return r == asked || free && r.withoutPort() == asked.withoutPort()
}

// withoutPort is the URI without its port.
func (r Redirect) withoutPort() string {
	return r.scheme + "://" + r.Host() + strings.TrimPrefix(r.uri, r.Origin())
}

// systemSchemes are refused as private-use schemes, alone or as a label of one
// with dots: something other than an app of the user's handles them. The first
// line runs code or shows a page that the URI itself holds, the second reads
// local files, the third speaks another protocol, the fourth belongs to a
// browser, and the fifth starts programs or settings of an operating system.
var systemSchemes = []string{
	"javascript", "vbscript", "data", "livescript", "mocha", "jscript",
	"file", "filesystem", "blob", "jar", "content", "res", "view-source",
	"ftp", "ftps", "sftp", "ssh", "telnet", "ws", "wss", "mailto", "news", "ldap", "ldaps", "smb", "urn", "tel", "sms", "feed", "wyciwyg",
	"about", "chrome", "chrome-extension", "moz-extension", "safari-web-extension", "edge", "microsoft-edge", "opera", "brave", "resource",
	"intent", "android-app", "search-ms", "search", "shell", "itms", "itms-apps", "itms-services", "x-apple",
	"prefs", "app-settings", "mhtml", "its",
}

// isPrivateUse reports whether a scheme is an app's own. RFC 8252 wants a domain
// name in reverse, which has a dot; well-known apps have schemes without one, so
// that is for the realm to permit. Windows has hundreds of ms-*.
func isPrivateUse(scheme string) bool {
	return !slices.ContainsFunc(strings.Split(scheme, "."), func(label string) bool {
		return label == "" || slices.Contains(systemSchemes, label) || strings.HasPrefix(label, "ms-")
	}) && scheme != "http" && scheme != "https"
}

// MatchRedirect finds the redirect URI that a request asks for among those of
// the client. ok is false if it is none of them, or not a redirect URI at all.
func (m *Metadata) MatchRedirect(uri string) (asked Redirect, ok bool) {
	asked, err := ParseRedirect(uri)
	if err != nil || !slices.ContainsFunc(m.RedirectURIs, func(r Redirect) bool { return r.matches(asked) }) {
		return Redirect{}, false
	}
	return asked, true
}

// hasDotSegments looks for . and .. in a path, also in their percent-encoded
// form: readers differ in whether they remove those.
func hasDotSegments(u *url.URL) bool {
	return slices.ContainsFunc(strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == '\\' }),
		func(segment string) bool { return path.Clean("/"+segment) != "/"+segment })
}

func hasResponseParameter(u *url.URL) bool {
	query, err := url.ParseQuery(u.RawQuery)
	return err != nil || slices.ContainsFunc(responseParameters, query.Has)
}

// quoted shortens what a client sent, for an error that is shown to it.
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
