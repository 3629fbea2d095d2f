package authserver

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
)

// Documents gets Client ID Metadata Documents; [clientmetadata.Fetcher] is one.
type Documents interface {
	Fetch(ctx context.Context, clientID string) (*clientmetadata.Metadata, error)
}

// Config says what a [Server] serves. Only Issuer is required: with it alone
// it is the demo realm, in memory, with a fresh key.
type Config struct {
	// Issuer is the URL that names the server, as it is reached from outside.
	// It must end with /realms/ and the name of the realm.
	Issuer string
	// Realm holds clients, scopes and users; nil: the demo realm.
	Realm *realm.Realm
	// Resource is the identifier of the resource for which tokens are issued;
	// empty: the audience in the realm file.
	Resource string
	// Keys sign tokens; nil: one that is made now and lives as long as the
	// server.
	Keys *KeyRing
	// Store keeps registrations, consents, codes and what they gave; nil: in
	// memory. It is not closed by the server.
	Store store.Store
	// Documents fetches Client ID Metadata Documents; nil: over https from
	// public addresses.
	Documents Documents
	// Exposed says that other machines can reach the server, even if its
	// issuer is on loopback.
	Exposed bool
	// Hosts are further Host headers by which it may be addressed, besides
	// the issuer's host and, where that is loopback, its other names.
	Hosts []string
	// ClientAddress says from where a request comes, for the limits by
	// address; nil: the other end of the connection. Behind a proxy that is
	// the proxy for everybody, so that one guesser would lock out all.
	ClientAddress func(*http.Request) string
	// PasswordCost is what one check of a password costs.
	PasswordCost PasswordCost
	// Limits bound what strangers can cost the server.
	Limits Limits
	// Now is the clock; nil: the real one.
	Now func() time.Time
}

// Limits bound what strangers can cost. The zero value of a field means what
// the realm file says, or else the default in brackets.
type Limits struct {
	UserTries     int           // wrong passwords in a row for one user name, or secrets for one client (10)
	AddressTries  int           // wrong passwords in a row from one address (100)
	TryAgain      time.Duration // until one more try is allowed (30 s)
	Registrations int           // registrations in a row from one address (60)
	RegisterAgain time.Duration // until one more is allowed (1 s)
	Clients       int           // registered clients at a time (1000)
	UnusedClient  time.Duration // until a client that was never used is forgotten (24 h)
	UsedClient    time.Duration // until one is forgotten that isn't used any more (90 days)
	Visits        int           // browsers on the way through login and consent (10000)
	Grants        int           // refresh token families (100000)
}

func (l Limits) withDefaults(r *realm.Realm) Limits {
	return Limits{
		UserTries:     cmp.Or(l.UserTries, r.LoginTries, 10),
		AddressTries:  cmp.Or(l.AddressTries, 100),
		TryAgain:      cmp.Or(l.TryAgain, 30*time.Second),
		Registrations: cmp.Or(l.Registrations, 60),
		RegisterAgain: cmp.Or(l.RegisterAgain, time.Second),
		Clients:       cmp.Or(l.Clients, r.Registration.Max, 1000),
		UnusedClient:  cmp.Or(l.UnusedClient, 24*time.Hour),
		UsedClient:    cmp.Or(l.UsedClient, 90*24*time.Hour),
		Visits:        cmp.Or(l.Visits, 10_000),
		Grants:        cmp.Or(l.Grants, 100_000),
	}
}

// checkIssuer wants an URL in the form in which it is compared byte by byte
// (RFC 8414, section 2), at Keycloak's path.
func checkIssuer(raw string, r *realm.Realm) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil,
		u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(raw, "?#"),
		u.Scheme+"://"+strings.ToLower(u.Host)+u.Path != raw:
		return nil, fmt.Errorf("issuer %q is no URL of scheme, host and path in lower case", raw)
	case !strings.HasSuffix(u.Path, "/realms/"+r.Name):
		return nil, fmt.Errorf("issuer %q must end with /realms/%s, the realm in the realm file", raw, r.Name)
	case u.Scheme == "http" && (r.RequireTLS || !isLoopback(u.Hostname())):
		return nil, fmt.Errorf("issuer %q must be https: passwords and tokens would cross the network for everybody to read. Put TLS in front and state the public address with -url", raw)
	}
	return u, nil
}

// checkExposed refuses credentials that everybody knows where others than the
// user of this machine can try them.
func checkExposed(c Config, issuer *url.URL) error {
	if !c.Exposed && isLoopback(issuer.Hostname()) {
		return nil
	}
	for _, client := range c.Realm.Clients {
		if !client.Public && !client.SignedJWT && client.Secret == "" {
			return fmt.Errorf("client %s has no secret: set one before others can reach this server", client.ID)
		}
	}
	return c.Realm.RefuseDemoCredentials()
}

// hostsOf are the Host headers by which an issuer is addressed: its own, and
// where it is loopback the other names of that, with the same port.
func hostsOf(issuer *url.URL) []string {
	hosts := []string{issuer.Host}
	if port := issuer.Port(); port != "" && isLoopback(issuer.Hostname()) {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			hosts = append(hosts, net.JoinHostPort(name, port))
		}
	}
	return hosts
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback() && !addr.Is4In6()
}

// remote is the address of the other end, without its port.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
