package accesstoken

import (
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/web/strictjson"
)

// Dialect is how an issuer writes its access tokens. The zero value is RFC
// 9068 to the letter, with the user's roles in the claim roles (section
// 2.2.3.1). The other fields are for issuers that are older than the RFC, such
// as Keycloak; tokens of the RFC are taken beside theirs.
type Dialect struct {
	// PlainJWT says that the issuer gives its access tokens the header typ
	// "JWT", which its ID tokens have, too, and tells them apart in the claim
	// typ: there an access token is a "Bearer". Where client_id is missing, azp
	// stands in for it.
	PlainJWT bool
	// RolesOf is the client whose roles count: those in
	// resource_access.<client>.roles, as Keycloak writes them, and no others.
	// Roles of the realm or of other clients may have the same names and mean
	// something else.
	RolesOf string
}

// allows tells whether an access token of this issuer can have a header typ.
func (d Dialect) allows(typ string) bool {
	return isAccessTokenType(typ) || d.PlainJWT && strings.EqualFold(typ, "JWT")
}

func isAccessTokenType(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// read reads a payload whose header says typ.
func (d Dialect) read(payload []byte, typ string) (*claims, error) {
	said, err := readClaims(payload)
	if err == nil && d.PlainJWT {
		err = said.readPlain(isAccessTokenType(typ))
	}
	if err == nil {
		err = said.readRoles(d.RolesOf)
	}
	if err != nil {
		return nil, err
	}
	return said, nil
}

// otherTokens are claims that no access token has: hashes of the tokens beside
// an ID token (OpenID Connect Core 1.0, section 3.3.2.11), events of a logout
// token (Back-Channel Logout 1.0, section 2.4) or of another (RFC 8417).
var otherTokens = []string{"at_hash", "c_hash", "events"}

// readPlain tells an access token by its claims, of an issuer whose header says
// too little; typed means that this header said enough. Refresh tokens, ID
// tokens and logout tokens are refused either way (RFC 8725, section 3.12).
func (c *claims) readPlain(typed bool) error {
	kind, present := c.members["typ"]
	if word, _ := strictjson.String(kind); word != "Bearer" && (present || !typed) {
		return fmt.Errorf("%w: the claim typ is %.32q, want \"Bearer\", or the header typ at+jwt and no claim typ", ErrType, word)
	}
	for _, name := range otherTokens {
		if _, has := c.members[name]; has {
			return fmt.Errorf("%w: it has the claim %s", ErrType, name)
		}
	}
	raw, present := c.members["azp"]
	if !present {
		return nil
	}
	party, ok := strictjson.String(raw)
	if !ok || c.clientID != "" && c.clientID != party {
		return fmt.Errorf("%w: azp is not a string, or differs from client_id", ErrMalformed)
	}
	c.clientID = party
	return nil
}

// readRoles reads the roles of the user: those of a client, or where none is
// named, the issuer's own.
func (c *claims) readRoles(client string) error {
	holder := c.members
	if client != "" {
		clients, present := holder["resource_access"]
		if !present {
			return nil
		}
		// Its names are those of clients, and exact.
		byClient, err := strictjson.Members(clients)
		if err != nil {
			return fmt.Errorf("%w: resource_access: %w", ErrMalformed, err)
		}
		own, present := byClient[client]
		if !present {
			return nil
		}
		if holder, err = strictjson.Members(own, "roles"); err != nil {
			return fmt.Errorf("%w: resource_access.%s: %w", ErrMalformed, client, err)
		}
	}
	raw, present := holder["roles"]
	if !present {
		return nil
	}
	var ok bool
	if c.roles, ok = strictjson.Strings(raw); !ok {
		return fmt.Errorf("%w: roles is not an array of strings", ErrMalformed)
	}
	return nil
}
