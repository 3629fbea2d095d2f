package authserver

import (
	"cmp"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
)

// grants keeps what users have given to clients: codes, the token families that
// come from them, consents, and which access tokens are revoked.
type grants struct {
	store     *durable
	codes     table[codeGrant]
	families  table[family]
	consents  table[consentGiven]
	revoked   table[bool]
	clients   *clients
	users     *directory
	scopes    scopeRules
	resource  string
	lifetimes lifetimes
	now       func() time.Time
}

// family is what one login gave to one client: a chain of refresh tokens of
// which only the last is good, and the access tokens that came with them. It is
// found by the digest of a handle in each of its refresh tokens; the same digest
// begins the jti of its access tokens.
type family struct {
	ClientID string   `json:"client_id"`
	Subject  string   `json:"subject"`
	Resource string   `json:"resource"`
	Scopes   []string `json:"scopes"`
	AuthTime int64    `json:"auth_time"`
	Began    int64    `json:"began"`             // Unix seconds
	Refresh  string   `json:"refresh,omitempty"` // digest of the good refresh token
}

func (f family) owner() string { return f.Subject }

// issue is what a token response is made of.
type issue struct {
	client   *client
	account  *account // nil where the client acts for itself
	scopes   []string
	family   string // key; empty where there is none
	refresh  string
	authTime int64
	nonce    string
}

// update changes the store in one step. Its result may be given out only if it
// returns no error: then it is stored.
func (g *grants) update(f func(store.Tx) (*issue, error)) (given *issue, err error) {
	err = g.store.Update(func(tx store.Tx) error {
		given, err = f(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return given, nil
}

// start begins a family for a login. Its refresh token is for clients that are
// registered for that grant. Where users log in at a provider, its time counts from
// then on.
func (g *grants) start(tx store.Tx, c *client, who session, scopes []string) (*issue, error) {
	user := g.users.in(tx, who.Subject)
	if user == nil {
		return nil, refuse("invalid_grant", "The user no longer exists. Start a new authorization.")
	}
	if err := g.clients.markUsed(tx, c); err != nil {
		return nil, err
	}
	now, handle := g.now(), secret()
	f := family{
		ClientID: c.id, Subject: who.Subject, Resource: g.resource, Scopes: scopes,
		AuthTime: who.AuthTime, Began: cmp.Or(who.Since, now.Unix()),
	}
	given := &issue{client: c, account: user, scopes: scopes, family: digest(handle), authTime: who.AuthTime}
	if c.AllowsGrant(clientmetadata.GrantRefresh) {
		given.refresh = handle + "." + secret()
		f.Refresh = digest(given.refresh)
	}
	return given, g.families.add(tx, who.Subject, given.family, f, g.familyEnd(f, c))
}

// familyEnd is when a family expires that is used now: when it was unused for too
// long or is too old, and never before its access tokens.
func (g *grants) familyEnd(f family, c *client) time.Time {
	now := g.now()
	unused, tooOld := now.Add(g.lifetimes.idle), time.Unix(f.Began, 0).Add(g.lifetimes.longest)
	ends := slices.MinFunc([]time.Time{unused, tooOld}, time.Time.Compare)
	return slices.MaxFunc([]time.Time{ends, now.Add(g.lifetimes.accessToken(c))}, time.Time.Compare)
}
