package authserver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/authserver/upstream"
)

// federation keeps what a provider said of the users who logged in there, for as
// long as it counts. It keeps none of the provider's tokens.
type federation struct {
	store  *durable
	kept   table[federated]
	policy string                // by which they were let in; another one starts anew
	roles  map[string]realm.Role // by the names in the settings
	keep   time.Duration
	now    func() time.Time
}

// federated is a user of a provider, as the store keeps it.
type federated struct {
	User   realm.User `json:"user"`
	Policy string     `json:"policy"`
}

// newFederation sees that each role of the settings is one of the realm, and that
// nobody in the realm file has the name of a provider's user.
func newFederation(r *realm.Realm, s *upstream.Settings, limits Limits, now func() time.Time) (*federation, error) {
	f := &federation{
		policy: s.Policy(), roles: map[string]realm.Role{}, now: now,
		kept: newTable[federated]("upstream users", 1, limits.Grants, now),
	}
	for _, mapping := range s.Roles {
		named := slices.DeleteFunc(slices.Clone(r.Roles), func(role realm.Role) bool { return role.Name != mapping.Role })
		if len(named) != 1 {
			return nil, fmt.Errorf("UPSTREAM_ROLES: %d clients of the realm have a role %q: name a role that one client has",
				len(named), mapping.Role)
		}
		f.roles[mapping.Role] = named[0]
	}
	for _, user := range r.Users {
		if strings.HasPrefix(user.ID, upstream.SubjectPrefix) {
			return nil, fmt.Errorf("user %s has an id that begins with %s, as those of the provider's users do: change it",
				user.Username, upstream.SubjectPrefix)
		}
	}
	for _, client := range r.Clients {
		if strings.HasPrefix(client.ID, upstream.SubjectPrefix) {
			return nil, fmt.Errorf("client %s has an id that begins with %s, as those of the provider's users do: change it",
				client.ID, upstream.SubjectPrefix)
		}
	}
	return f, nil
}

// add keeps a user who has just logged in, in the place of what was known before.
// The session says when the user proved the password at the provider, and from when
// on the login counts here.
func (f *federation) add(said *upstream.User) (session, error) {
	user := realm.User{
		ID: said.Subject, Username: said.Username, FirstName: said.FirstName, LastName: said.LastName,
		Email: said.Email, EmailVerified: said.EmailVerified, Roles: map[string][]string{},
	}
	for _, name := range said.Roles {
		role := f.roles[name]
		user.Roles[role.Client] = append(user.Roles[role.Client], role.Name)
	}
	now := f.now()
	who := session{Subject: user.ID, AuthTime: now.Unix(), Since: now.Unix()}
	if !said.AuthTime.IsZero() {
		who.AuthTime = said.AuthTime.Unix()
	}
	return who, f.store.Update(func(tx store.Tx) error {
		return f.kept.add(tx, user.ID, user.ID, federated{User: user, Policy: f.policy}, now.Add(f.keep))
	})
}

// remove forgets a user, and with that all that the user has given.
func (f *federation) remove(subject string) error {
	return f.store.Update(func(tx store.Tx) error { return f.kept.delete(tx, subject) })
}

// find returns a user who was let in by the present settings, or nil.
func (f *federation) find(tx store.Reader, subject string) *account {
	kept, ok := f.kept.get(tx, subject)
	if !ok || kept.Policy != f.policy {
		return nil
	}
	return &account{User: kept.User}
}

// federate makes ready for users of a provider, and takes those of the realm out.
// provider is what people call it; empty without one.
func (c *Config) federate() (f *federation, provider string, err error) {
	if c.Upstream == nil {
		return nil, "", nil
	}
	settings := c.Upstream.Settings()
	f, err = newFederation(c.Realm, settings, c.Limits, c.Now)
	c.Realm = c.Realm.WithoutUsers()
	return f, settings.Name, err
}

// since is from when on a session counts: from the login here, whenever the user
// has proven the password at the provider.
func (s session) since() int64 { return cmp.Or(s.Since, s.AuthTime) }
