package authserver

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// Documents gets Client ID Metadata Documents; [clientmetadata.Fetcher] is one.
type Documents interface {
	Fetch(ctx context.Context, clientID string) (*clientmetadata.Metadata, error)
}

// Config says what a [Server] serves. Only Issuer is required: with it alone
// the server has the demo realm, in memory, with a new key.
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
	// Store keeps registrations, consents, codes and tokens; nil: in memory.
	// The server does not close it.
	Store store.Store
	// Upstream is a provider at which users log in; nil: here, with the passwords of
	// the realm. With one, the realm's own users and the password grant are off.
	Upstream Upstream
	// Documents fetches Client ID Metadata Documents; nil: over https from
	// public addresses.
	Documents Documents
	// AdvertiseDocuments says in the metadata that Client ID Metadata Documents
	// are accepted, even if the realm permits them from loopback alone. Clients
	// that publish theirs elsewhere then fail in the user's browser, where they
	// can't fall back to registration: it is for tests and for trying things out.
	AdvertiseDocuments bool
	// Exposed says that other machines can reach the server, even if its
	// issuer is on loopback.
	Exposed bool
	// Hosts are further Host headers by which the server is addressed, besides
	// the issuer's host and, where that is loopback, its other names.
	Hosts []string
	// ClientAddress says from where a request comes, for the limits by
	// address; nil: the other end of the connection. Behind a proxy that is
	// the proxy for everybody, so that one guesser would lock out all.
	ClientAddress func(*http.Request) string
	// PasswordCost is what one check of a password costs.
	PasswordCost PasswordCost
	// Limits bound what unknown callers can cost the server.
	Limits Limits
	// Now is the clock; nil: the real one.
	Now func() time.Time
}

// fill puts in the defaults.
func (c *Config) fill() (err error) {
	if c.Realm == nil {
		c.Realm = realm.Demo()
	}
	if c.Keys == nil {
		if c.Keys, err = GenerateKeyRing(); err != nil {
			return err
		}
	}
	if c.Store == nil {
		c.Store = &store.Memory{}
	}
	if c.ClientAddress == nil {
		c.ClientAddress = peer
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Resource = cmp.Or(c.Resource, c.Realm.Audience())
	c.Limits = c.Limits.withDefaults(c.Realm)
	return nil
}

// Limits bound what unknown callers can cost. The zero value of a field means
// what the realm file says, or else the default in brackets.
type Limits struct {
	UserTries            int           // wrong passwords in a row for one user name, or secrets for one client, from one address (10)
	UserTriesFromAll     int           // wrong passwords in a row for one user name from all addresses where that user hasn't logged in (100)
	AddressTries         int           // wrong passwords in a row from one address (100)
	TryInterval          time.Duration // until one more try is allowed (30 s)
	Registrations        int           // registrations in a row from one address (60)
	RegistrationInterval time.Duration // until one more registration is allowed (1 s)
	Clients              int           // registered clients at a time (1000)
	UnusedClient         time.Duration // until a client that was never used is forgotten (24 h)
	UsedClient           time.Duration // until a client that is no longer used is forgotten (90 days)
	ClientsPerAddress    int           // of them registered from one address (50)

	// Interactions are browsers at a login page (4000), and those of them from one
	// address (200).
	Interactions, InteractionsPerAddress int
	Decisions                            int // browsers at a consent page (1000)
	Codes                                int // of all users (2000)
	Grants                               int // sessions, refresh token families, consents and revocations, of each (5000)

	// Pause is how long a request that proved nothing keeps one of the eight turns
	// that its address has at a time (50 ms).
	Pause time.Duration
}

// What one user or client may keep, beyond which its own oldest goes; of
// revocations none goes, and one more is refused.
const (
	DecisionsPerUser = 100 // consent pages
	SessionsPerUser  = 100
	CodesPerUser     = 50
	FamiliesPerUser  = 1000
	ConsentsPerUser  = 1000
	RevokedPerClient = 1000
)

// DefaultLimits are the limits where neither a [Config] nor a realm file says
// otherwise.
func DefaultLimits() Limits { return Limits{}.withDefaults(&realm.Realm{}) }

func (l Limits) withDefaults(r *realm.Realm) Limits {
	return Limits{
		UserTries:            cmp.Or(l.UserTries, r.LoginTries, 10),
		UserTriesFromAll:     cmp.Or(l.UserTriesFromAll, 100),
		AddressTries:         cmp.Or(l.AddressTries, 100),
		TryInterval:          cmp.Or(l.TryInterval, 30*time.Second),
		Registrations:        cmp.Or(l.Registrations, 60),
		RegistrationInterval: cmp.Or(l.RegistrationInterval, time.Second),
		Clients:              cmp.Or(l.Clients, r.Registration.Max, 1000),
		UnusedClient:         cmp.Or(l.UnusedClient, 24*time.Hour),
		UsedClient:           cmp.Or(l.UsedClient, 90*24*time.Hour),
		ClientsPerAddress:    cmp.Or(l.ClientsPerAddress, 50),
		Interactions:         cmp.Or(l.Interactions, 4000),
		Decisions:            cmp.Or(l.Decisions, 1000),
		Codes:                cmp.Or(l.Codes, 2000),

		InteractionsPerAddress: cmp.Or(l.InteractionsPerAddress, 200),
		Pause:                  cmp.Or(l.Pause, 50*time.Millisecond),
		Grants:                 cmp.Or(l.Grants, 5000),
	}
}

// minSecret is the length of 128 bits in base64 (characters).
const minSecret = 22

// checkExposed refuses credentials that everybody knows where others than the
// user of this machine can try them.
func checkExposed(c Config, issuer *url.URL) error {
	if !c.Exposed && loopback.URL(issuer) {
		return nil
	}
	for _, client := range c.Realm.Clients {
		if !client.Public && !client.SignedJWT && client.Secret == "" {
			return fmt.Errorf("client %s has no secret: set one before others can reach this server", client.ID)
		}
	}
	if err := c.Realm.RefuseDemoCredentials(); err != nil {
		return err
	}
	for _, client := range c.Realm.Clients {
		if !client.Public && !client.SignedJWT && len(client.Secret) < minSecret {
			return fmt.Errorf("client %s has a secret of fewer than %d characters, which can be guessed: "+
				"set one of 128 random bits, such as the output of openssl rand -base64 24", client.ID, minSecret)
		}
	}
	return nil
}

// beyondLoopback reports whether a realm permits documents from other machines.
func beyondLoopback(permitted *realm.Documents) bool {
	return permitted != nil && slices.ContainsFunc(permitted.Hosts, func(host string) bool { return !loopback.Host(host) })
}
