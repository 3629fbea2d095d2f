package realm

import (
	"fmt"
	"net/url"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// PermitDocuments accepts the client metadata documents of a host. Whoever can
// publish a file there can be a client. It permits no redirects to that host.
func (r *Realm) PermitDocuments(host string) error {
	if err := checkHost(host); err != nil {
		return err
	}
	if r.Documents == nil {
		r.Documents = &Documents{}
	}
	r.Documents.Hosts = append(r.Documents.Hosts, host)
	return nil
}

// PermitRedirects lets clients that register themselves or publish a document
// have codes sent to a host.
func (r *Realm) PermitRedirects(host string) error {
	if err := checkHost(host); err != nil {
		return err
	}
	if r.Registration.Hosts != nil { // nil: any
		r.Registration.Hosts = append(r.Registration.Hosts, host)
	}
	return nil
}

// PermitScheme lets such clients have codes sent to the app with a private-use
// scheme. Any app on the user's machine can claim the scheme (RFC 8252, section
// 8.6).
func (r *Realm) PermitScheme(scheme string) error {
	uri, err := clientmetadata.ParseRedirect(scheme + ":/")
	if err != nil || !uri.Private() || uri.Scheme() != scheme {
		return fmt.Errorf("%.100q is not a scheme that can be an app's: write its name in lower case without a colon, as in cursor", scheme)
	}
	r.Registration.Schemes = append(r.Registration.Schemes, scheme)
	return nil
}

// checkHost accepts an exact name: patterns would permit hosts that nobody has
// looked at.
func checkHost(host string) error {
	u := &url.URL{Host: host}
	if host != strings.ToLower(host) || u.Port() != "" || strings.HasSuffix(host, ":") || !safefetch.ValidAuthority(u) {
		return fmt.Errorf("%.100q is not the name of one host: write it in lower case without scheme, port and wildcard, as in claude.ai", host)
	}
	return nil
}
