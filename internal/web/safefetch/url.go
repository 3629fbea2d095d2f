package safefetch

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// maxURL is the longest URL that is looked at, in bytes.
const maxURL = 2048

// CheckURL reads a URL that somebody else chose, and refuses with [ErrURL] or
// [ErrAddress] what the policy doesn't allow: any scheme but https (and http
// to loopback, where that is allowed), userinfo, fragments, and whatever two
// readers could take for two hosts. It asks no name server: where a name leads
// shows when it is dialled.
func CheckURL(raw string, p Policy) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf("%w: %.100q %s", ErrURL, raw, why)
	}
	if len(raw) > maxURL {
		return refuse("is too long")
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return refuse("has a character that is not allowed in a URL")
		}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return refuse("is not a URL")
	case !strings.HasPrefix(raw, "https://") && !strings.HasPrefix(raw, "http://"):
		return refuse("must begin with https://")
	case u.User != nil:
		return refuse("must not have user information")
	case strings.Contains(raw, "#"):
		return refuse("must not have a fragment")
	case !ValidAuthority(u):
		return refuse("does not have a valid host and port")
	case u.Scheme == "http" && !(p.Loopback && p.Proxy == nil && loopback.URL(u)):
		return refuse("must begin with https://")
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	if loopback.Host(host) && !p.Loopback || err == nil && !p.permitted(host, baseurl.Port(u), addr) {
		return nil, fmt.Errorf("%w: %.100q", ErrAddress, raw)
	}
	return u, nil
}

// ValidAuthority reports whether a URL's host and port, wherever they lead, can
// be understood in one way only: an IP address or a name of ASCII letters, and
// a port that is left out or a number in range.
func ValidAuthority(u *url.URL) bool { return validHost(u.Hostname()) && baseurl.ValidPort(u) }

// validHost accepts IP addresses and names of ASCII letters, digits, dots and
// hyphens. Other scripts come as their xn-- form: digits like ①②⑦ become an
// address on their way to the dialer. For the same reason the last label of a
// name must not be a number (WHATWG URL, "ends in a number"): resolvers take
// 127.1 and 0x7f000001 for addresses.
func validHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == "" && !addr.Is4In6()
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label, letters+"0123456789-_") != "" {
			return false
		}
	}
	last := strings.ToLower(labels[len(labels)-1])
	return len(host) <= 253 && strings.Trim(last, "0123456789") != "" &&
		(!strings.HasPrefix(last, "0x") || strings.Trim(last[2:], "0123456789abcdef") != "")
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
