package safefetch

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/loopback"
)

// globalIPv6 is all that is assigned for public use; the rest of IPv6 is
// refused by not being in it: loopback and unspecified, IPv4 in a mapped,
// translated (64:ff9b::/96, 64:ff9b:1::/48) or compatible form, unique local
// fc00::/7, link-local fe80::/10, site-local fec0::/10, multicast ff00::/8.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// special are the blocks that lead to no public host, or hide which one. They
// are those of IANA's special-purpose registries (RFC 6890), with what carries
// an IPv4 address inside. netip's own predicates know about half of them.
var special = parsed(
	"0.0.0.0/8",       // this network; 0.0.0.0 is this host to Linux
	"10.0.0.0/8",      // private (RFC 1918)
	"100.64.0.0/10",   // shared by a provider's customers (RFC 6598); some clouds' metadata
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; 169.254.169.254 is most clouds' metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments (RFC 6890); 192.0.0.192 is a cloud's metadata
	"192.0.2.0/24",    // documentation (RFC 5737)
	"192.31.196.0/24", // AS112 (RFC 7535)
	"192.52.193.0/24", // AMT (RFC 7450)
	"192.88.99.0/24",  // 6to4 relays (RFC 7526)
	"192.168.0.0/16",  // private
	"192.175.48.0/24", // AS112 (RFC 7534)
	"198.18.0.0/15",   // benchmarks (RFC 2544)
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast

	"2001::/23",         // protocol assignments: Teredo, benchmarks, ORCHID (RFC 2928)
	"2001:db8::/32",     // documentation (RFC 3849)
	"2002::/16",         // 6to4: the IPv4 address is inside (RFC 3056)
	"2620:4f:8000::/48", // AS112 (RFC 7534)
	"3fff::/20",         // documentation (RFC 9637)
)

// private are the blocks that [Policy.Private] opens.
var private = parsed("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")

// cloudMetadata are addresses within private at which clouds hand out
// credentials to whoever asks.
var cloudMetadata = parsed("fd00:ec2::254/128", "fd20:ce::254/128")

func parsed(blocks ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(blocks))
	for i, block := range blocks {
		list[i] = netip.MustParsePrefix(block)
	}
	return list
}

// permitted reports whether an address may be dialled for the host and port of
// a URL. What it doesn't know it refuses: an address with a zone is in no block,
// and IPv4 in an IPv6 form has a plain one.
func (p Policy) permitted(host, port string, addr netip.Addr) bool {
	if loopback.Host(host) {
		return p.Loopback && loopback.Addr(addr)
	}
	origin := "https://" + net.JoinHostPort(strings.ToLower(host), port)
	if slices.Contains(p.Private, origin) && in(private, addr) {
		return !in(cloudMetadata, addr)
	}
	return isPublic(addr)
}

func isPublic(addr netip.Addr) bool {
	return (addr.Is4() || globalIPv6.Contains(addr)) && !in(special, addr)
}

func in(blocks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(blocks, func(block netip.Prefix) bool { return block.Contains(addr) })
}
