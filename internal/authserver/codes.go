package authserver

import (
	"crypto/subtle"
	"errors"
	"net/url"

	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/pkce"
)

// codeGrant is what an authorization code stands for, and what it is bound to
// (OAuth 2.1, section 4.1.3). It is found by the digest of the code.
type codeGrant struct {
	Request  authorization `json:"request"`
	Subject  string        `json:"subject"`
	AuthTime int64         `json:"auth_time"`
	Since    int64         `json:"since,omitempty"` // of the session
	Used     bool          `json:"used,omitempty"`
	Family   string        `json:"family,omitempty"` // key of what it gave, once used
}

func (c codeGrant) owner() string { return c.Subject }

// issueCode stores a code, and the consent if it is to be remembered.
func (g *grants) issueCode(ask authorization, who session, remember bool) (string, error) {
	code, now := secret(), g.now()
	return code, g.store.Update(func(tx store.Tx) error {
		if remember {
			if err := g.remember(tx, who.Subject, ask); err != nil {
				return err
			}
		}
		ask.State, ask.Prompt, ask.Withheld, ask.NotAllowed = "", nil, nil, nil // of no use any more
		grant := codeGrant{Request: ask, Subject: who.Subject, AuthTime: who.AuthTime, Since: who.Since}
		return g.codes.add(tx, who.Subject, digest(code), grant, now.Add(g.lifetimes.code))
	})
}

// exchangeCode exchanges a code for tokens (OAuth 2.1, section 4.1.3). Any
// attempt with a verifier of the right form uses the code up, also one that
// fails: then it had leaked, or somebody guesses. If a code is used twice, one of
// the two is a thief, so all tokens from it are revoked.
func (g *grants) exchangeCode(c *client, form url.Values) (*issue, error) {
	code, verifier, redirect := form.Get("code"), form.Get("code_verifier"), form.Get("redirect_uri")
	switch {
	case code == "":
		return nil, refuse("invalid_request", "code is required.")
	case !pkce.ValidVerifier(verifier):
		return nil, refuse("invalid_request", "code_verifier must have 43 to 128 characters (RFC 7636, section 4.1).")
	}
	var refused error // what is stored stays stored then
	given, err := g.update(func(tx store.Tx) (*issue, error) {
		now := g.now()
		grant, ok := g.codes.get(tx, digest(code))
		if !ok {
			refused = badCode("unknown or expired")
			return nil, nil
		}
		if grant.Used {
			refused = badCode("used before, so that all it gave is revoked")
			return nil, g.families.delete(tx, grant.Family)
		}
		grant.Used = true
		var given *issue
		if refused = g.checkBinding(grant.Request, c, verifier, redirect, form["resource"]); refused == nil {
			var err error
			if given, err = g.start(tx, c, session{grant.Subject, grant.AuthTime, grant.Since}, grant.Request.Scopes); err != nil {
				return nil, err
			}
			given.nonce, grant.Family = grant.Request.Nonce, given.family
		}
		return given, g.codes.replace(tx, digest(code), grant, false, now.Add(g.lifetimes.idle))
	})
	if err != nil {
		return nil, err
	}
	return given, refused
}

func badCode(why string) error {
	return refuseBecause("invalid_grant",
		"The code has expired, was used before, or belongs to another client or request. Start a new authorization.",
		errors.New("code: "+why))
}

// checkBinding compares the token request with the authorization request. A
// redirect URI is compared where it is sent (OAuth 2.1, section 10.2): PKCE binds
// every code.
func (g *grants) checkBinding(ask authorization, c *client, verifier, redirect string, resource []string) error {
	switch {
	case ask.ClientID != c.id:
		return badCode("issued to another client")
	case redirect != "" && ask.RedirectURI.String() != redirect:
		return badCode("issued for another redirect URI")
	case subtle.ConstantTimeCompare([]byte(pkce.Challenge(verifier)), []byte(ask.Challenge)) != 1:
		return badCode("wrong code_verifier")
	case ask.Resource != g.resource:
		return badCode("issued for a resource that this server no longer has")
	}
	return checkResource(g.resource, resource)
}
