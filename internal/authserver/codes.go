package authserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"regexp"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// codeGrant is what an authorization code stands for, and what it is bound to
// (OAuth 2.1, section 4.1.3). It is found by the digest of the code.
type codeGrant struct {
	Request  authorization `json:"request"`
	Subject  string        `json:"subject"`
	AuthTime int64         `json:"auth_time"`
	Used     bool          `json:"used,omitempty"`
	Family   string        `json:"family,omitempty"` // what it gave, once used
}

// issueCode writes down a code, and the consent if it is to be remembered.
func (s *Server) issueCode(ask authorization, who session, remember bool) (string, error) {
	code, now := secret(), s.now()
	return code, s.update(func(tx store.Tx) error {
		if remember {
			if err := s.remember(tx, who.Subject, ask); err != nil {
				return err
			}
		}
		grant := codeGrant{Request: ask, Subject: who.Subject, AuthTime: who.AuthTime}
		return s.codes.put(tx, digest(code), grant, now, now.Add(s.lifetimes.code))
	})
}

// verifierForm is the form of a PKCE verifier (RFC 7636, section 4.1).
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// redeem exchanges a code (OAuth 2.1, section 4.1.3). Any attempt uses the
// code up, also one that fails: it was in wrong hands then, or is being
// guessed at. An attempt with a used code revokes what the first one gave,
// since one of the two was a thief's.
func (s *Server) redeem(c *client, form url.Values) (*issue, *failure) {
	code, verifier, redirect := form.Get("code"), form.Get("code_verifier"), form.Get("redirect_uri")
	switch {
	case code == "" || redirect == "":
		return nil, refuse("invalid_request", "code and redirect_uri are required.")
	case !verifierForm.MatchString(verifier):
		return nil, refuse("invalid_request", "code_verifier must be 43 to 128 characters (RFC 7636).")
	}
	var given *issue
	var f *failure
	err := s.update(func(tx store.Tx) error {
		now := s.now()
		grant, ok := s.codes.get(tx, digest(code), now)
		if !ok {
			f = badCode("unknown or expired")
			return nil
		}
		if grant.Used {
			f = badCode("used before: what it gave is revoked")
			return s.grants.delete(tx, grant.Family)
		}
		grant.Used = true
		ends := now.Add(s.lifetimes.idle)
		if f = s.checkBinding(grant, c, verifier, redirect, form["resource"]); f == nil {
			var err error
			if given, err = s.startFamily(tx, c, grant.Subject, grant.AuthTime, grant.Request.Scopes); err != nil {
				return err
			}
			given.nonce, grant.Family = grant.Request.Nonce, given.family
		}
		return s.codes.put(tx, digest(code), grant, now, ends)
	})
	if err != nil {
		return nil, storeFailure(err)
	}
	return given, f
}

func badCode(why string) *failure {
	return refuse("invalid_grant", "The code is not valid for this client and this request, or no longer. Start a new authorization.").because("code: " + why)
}

// checkBinding holds the token request against the authorization request.
func (s *Server) checkBinding(grant codeGrant, c *client, verifier, redirect string, resource []string) *failure {
	ask := grant.Request
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case ask.ClientID != c.id:
		return badCode("issued to another client")
	case ask.RedirectURI.String() != redirect:
		return badCode("sent to another redirect URI")
	case subtle.ConstantTimeCompare([]byte(challenge), []byte(ask.Challenge)) != 1:
		return badCode("wrong verifier")
	case ask.Resource != s.resource:
		return badCode("for a resource that is no longer guarded")
	}
	return s.checkResource(resource)
}
