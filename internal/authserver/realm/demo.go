package realm

import (
	"fmt"
	"slices"
)

// Demo is the realm that is built in, with the defaults of its placeholders.
// The caller may change it.
func Demo() *Realm {
	r, err := Load("", nil)
	if err != nil {
		panic(err) // the file is part of the program, and tested
	}
	return r
}

// KnownFromDemo reports whether a password or secret stands in the demo realm,
// where everybody can read it.
func KnownFromDemo(credential string) bool {
	if credential == "" {
		return false
	}
	demo := Demo()
	return slices.ContainsFunc(demo.Users, func(u User) bool { return u.Password == credential }) ||
		slices.ContainsFunc(demo.Clients, func(c Client) bool { return c.Secret == credential })
}

// RefuseDemoCredentials fails if a user or a client has a password or secret of
// the demo realm. It is for servers that others can reach.
func (r *Realm) RefuseDemoCredentials() error {
	for _, u := range r.Users {
		if KnownFromDemo(u.Password) {
			return fmt.Errorf("user %s has a demo password, which everybody knows: "+
				"give -realm-file a file with your own passwords before others can reach this server", u.Username)
		}
	}
	for _, c := range r.Clients {
		if !c.Public && !c.SignedJWT && KnownFromDemo(c.Secret) {
			return fmt.Errorf("client %s has a demo secret, which everybody knows: "+
				"set ECHO_MCP_SERVER_SECRET or give -realm-file your own file before others can reach this server", c.ID)
		}
	}
	return nil
}
