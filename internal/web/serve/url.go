package serve

import (
	"fmt"
	"net/url"
	"strings"
)

// CheckBase accepts scheme://host[:port] alone, over http or https, in the form
// in which it is compared byte by byte later on: as issuer, resource and
// audience (RFC 3986, section 6.2.1), or as an Origin (RFC 6454, section 6.2).
// name is what the error names.
func CheckBase(name, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("%s %q is no address: give a scheme, a host and perhaps a port, as in https://mcp.example.com", name, raw)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(raw, "?#"):
		return fmt.Errorf("%s %q says too much: leave out everything after the host and port, also the last slash", name, raw)
	case raw != strings.ToLower(raw) || raw != u.Scheme+"://"+u.Host:
		return fmt.Errorf("%s %q must be in lower case: it is compared byte by byte", name, raw)
	}
	return nil
}
