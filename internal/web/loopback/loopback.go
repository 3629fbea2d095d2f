// Package loopback decides what counts as this machine. There is one answer for
// all programs here: the name localhost, in any case, or a literal loopback
// address. Names below localhost, IPv4 addresses inside IPv6 and addresses with
// a zone don't count: where they lead is up to a resolver or to a reader.
//
// A name alone proves nothing, because a resolver decides where it leads. Who
// dials because a URL is on loopback also checks the address, with [Control].
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// ErrAddress says that a connection that must stay on this machine would leave it.
var ErrAddress = errors.New("not a loopback address")

// Names are the spellings by which a server on loopback is addressed.
func Names() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// HostPorts are [Names] with a port, as they stand in a Host header.
func HostPorts(port int) []string {
	names := Names()
	for i, name := range names {
		names[i] = net.JoinHostPort(name, strconv.Itoa(port))
	}
	return names
}

// Host reports whether a host, without brackets and port, is this machine.
func Host(host string) bool {
	addr, err := netip.ParseAddr(host)
	// Not EqualFold, to which "localho\u017ft", with a long s, is equal.
	return err == nil && Addr(addr) || strings.ToLower(host) == "localhost"
}

// Canonical reports whether a host is this machine in the one spelling that
// URLs have which are compared byte by byte, such as redirect URIs.
func Canonical(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && Addr(addr) && addr.String() == host
}

// URL reports whether a URL's host is this machine.
func URL(u *url.URL) bool { return Host(u.Hostname()) }

// Addr reports whether an address is on loopback.
func Addr(addr netip.Addr) bool { return addr.IsLoopback() && !addr.Is4In6() && addr.Zone() == "" }

// Control is a net.Dialer's ControlContext that lets connections reach
// loopback addresses alone. It runs after the name was resolved, so a name that
// a resolver sends elsewhere gains nothing.
func Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if !Addr(target.Addr()) {
		return fmt.Errorf("%w: %s", ErrAddress, target.Addr())
	}
	return nil
}
