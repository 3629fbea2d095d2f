// Package caller tells by which address a request comes, also behind proxies
// that the operator trusts. Limits are kept by that address, so whoever could
// choose it freely would be under no limit at all.
package caller

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Header is the one header that a trusted proxy names its callers in. Nothing
// else is taken from a proxy: no host, no scheme, no user.
const Header = "X-Forwarded-For"

// Proxies are the addresses of trusted proxies. The zero value trusts none.
type Proxies struct{ trusted []netip.Prefix }

// ParseProxies reads CIDR blocks or addresses with commas between. It refuses
// a block of all addresses, which would let every caller name its own address.
func ParseProxies(list string) (Proxies, error) {
	var p Proxies
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		block, err := netip.ParsePrefix(word)
		if err != nil {
			addr, addrErr := netip.ParseAddr(word)
			if addrErr != nil || addr.Zone() != "" {
				return Proxies{}, fmt.Errorf("trusted proxy %.100q is not a CIDR block; want for example 10.0.0.0/8", word)
			}
			block = netip.PrefixFrom(addr, addr.BitLen())
		}
		switch {
		case block.Bits() == 0:
			return Proxies{}, fmt.Errorf("trusted proxy %s is every address; name the proxy's own", word)
		case block.Addr().Is4In6():
			return Proxies{}, fmt.Errorf("trusted proxy %s: write the IPv4 address in its own form", word)
		}
		p.trusted = append(p.trusted, block.Masked())
	}
	return p, nil
}

// Any reports whether any proxy is trusted.
func (p Proxies) Any() bool { return len(p.trusted) > 0 }

// Address is where a request comes from: the connection's other end, or if
// that is a trusted proxy, the right-most address of [Header] that isn't one.
// All lines of the header count as one list. A list that holds anything but
// addresses is not believed, and the other end counts.
//
// It is the zero Addr where the other end has no IP address, as on a socket
// file.
func (p Proxies) Address(r *http.Request) netip.Addr {
	end, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer := end.Addr().Unmap().WithZone("")
	if !p.contains(peer) {
		return peer
	}
	list := strings.Split(strings.Join(r.Header.Values(Header), ","), ",")
	for i := len(list) - 1; i >= 0; i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil || addr.Zone() != "" {
			return peer
		}
		if addr = addr.Unmap(); !p.contains(addr) {
			return addr
		}
	}
	return peer
}

func (p Proxies) contains(addr netip.Addr) bool {
	for _, block := range p.trusted {
		if block.Contains(addr) {
			return true
		}
	}
	return false
}

// Group is the name under which an address is limited: an IPv4 address, or the
// /64 of an IPv6 address, since one customer has at least that many.
func Group(addr netip.Addr) string {
	if addr = addr.Unmap(); addr.Is6() {
		if block, err := addr.WithZone("").Prefix(64); err == nil {
			return block.String()
		}
	}
	return addr.String()
}
