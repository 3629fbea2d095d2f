package safefetch

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
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
			return refuse("has characters that no URL has")
		}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return refuse("is no URL")
	case !strings.HasPrefix(raw, "https://") && !strings.HasPrefix(raw, "http://"):
		return refuse("must begin with https://")
	case u.User != nil:
		return refuse("has userinfo")
	case strings.Contains(raw, "#"):
		return refuse("has a fragment")
	case !ValidAuthority(u):
		return refuse("has no valid host and port")
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	isAddress := err == nil
	loopback := isLocalhost(host) || isAddress && addr.IsLoopback()
	switch {
	case u.Scheme == "http" && !(p.Loopback && loopback):
		return refuse("must begin with https://")
	case isAddress && !p.permitted(addr), loopback && !p.Loopback:
		return nil, fmt.Errorf("%w: %.100q", ErrAddress, raw)
	}
	return u, nil
}

// ValidAuthority tells whether a URL's host and port, wherever they lead, can
// be understood in one way only: an IP address or a name of ASCII letters, and
// a port that is left out or a number in range.
func ValidAuthority(u *url.URL) bool { return validHost(u.Hostname()) && validPort(u) }

// validPort tells whether the port is left out or a number in range.
func validPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

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

// isLocalhost knows the names that mean this machine (RFC 6761, section 6.3).
func isLocalhost(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
