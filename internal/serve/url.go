package serve

import (
	"fmt"
	"net/url"
	"strings"
)

// checkURL accepts http://host[:port] and https://host[:port] alone, in the
// form in which they are compared byte by byte later on: as issuer, as
// resource, as audience (RFC 3986, section 6.2.1).
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("-url %q is no base URL: give a scheme, a host and perhaps a port, as in https://mcp.example.com", raw)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(raw, "?#"):
		return fmt.Errorf("-url %q says too much: leave out everything after the host and port, also the last slash", raw)
	case raw != strings.ToLower(raw) || raw != u.Scheme+"://"+u.Host:
		return fmt.Errorf("-url %q must be in lower case: tokens and metadata are compared with it byte by byte", raw)
	}
	return nil
}
