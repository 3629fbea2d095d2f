package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

// A Grant gets tokens without a user. It needs a client that the authorization
// server knows already ([Config.PreRegistered]).
type Grant interface {
	// request makes the form of the token request.
	request(ctx context.Context, t *Transport, target grantTarget) (url.Values, error)
	// describe says in a few words what is done.
	describe() string
}

// grantTarget is what a token is wanted for.
type grantTarget struct {
	issuer, resource, scope string
}

// ClientCredentials is the grant of a client that acts on its own behalf (OAuth
// 2.1, section 4.2; MCP extension "OAuth Client Credentials"), with a secret or
// with private_key_jwt.
type ClientCredentials struct{}

func (ClientCredentials) describe() string {
	return "The client acts on its own behalf: it sends its own credentials, and no user is asked."
}

func (ClientCredentials) request(_ context.Context, _ *Transport, target grantTarget) (url.Values, error) {
	return target.form("client_credentials"), nil
}

// JWTBearer hands over an assertion that somebody else signed, such as the
// platform on which a workload runs (RFC 7523, section 2.1; MCP extension
// "Workload Identity Federation").
type JWTBearer struct {
	// Assertion returns a JWT whose audience is the issuer.
	Assertion func(ctx context.Context, issuer string) (string, error)
}

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

func (JWTBearer) describe() string {
	return "The platform has signed an assertion that identifies this workload. The client sends it in place of a user's consent."
}

func (g JWTBearer) request(ctx context.Context, _ *Transport, target grantTarget) (url.Values, error) {
	assertion, err := g.Assertion(ctx, target.issuer)
	if err != nil {
		return nil, fmt.Errorf("the assertion for %s can't be read: %w", target.issuer, err)
	}
	form := target.form(jwtBearer)
	form.Set("assertion", assertion)
	return form, nil
}

// EnterpriseManaged asks the organization's identity provider, where the user
// has signed in already, for an identity assertion (ID-JAG) for one
// authorization server and one resource, and hands it over there (MCP
// extension "Enterprise-Managed Authorization"; RFC 8693, RFC 7523).
type EnterpriseManaged struct {
	TokenEndpoint string // of the identity provider
	ClientID      string // at the identity provider
	ClientSecret  string // there; empty for a public client
	IDToken       string // of the user, for that client
}

func (EnterpriseManaged) describe() string {
	return "The organization decides: its identity provider exchanges the user's sign-in for an assertion for this one server."
}

const (
	idJAG   = "urn:ietf:params:oauth:token-type:id-jag"
	idToken = "urn:ietf:params:oauth:token-type:id_token"
)

func (g EnterpriseManaged) request(ctx context.Context, t *Transport, target grantTarget) (url.Values, error) {
	if err := t.fetch.check("the identity provider's token endpoint", g.TokenEndpoint); err != nil {
		return nil, err
	}
	t.observer.note(StageToken, "The identity provider exchanges the ID token for an assertion that names "+
		target.issuer+" and "+target.resource+".")
	form := target.form("urn:ietf:params:oauth:grant-type:token-exchange")
	form.Set("requested_token_type", idJAG)
	form.Set("audience", target.issuer)
	form.Set("subject_token", g.IDToken)
	form.Set("subject_token_type", idToken)
	assertion, err := t.exchange(ctx, g, form)
	if err != nil {
		return nil, fmt.Errorf("the identity provider did not issue an assertion: %w", err)
	}
	form = target.form(jwtBearer)
	form.Set("assertion", assertion)
	return form, nil
}

// exchange sends a token exchange (RFC 8693, section 2) and returns the ID-JAG.
// It is not an access token and says so: type N_A.
func (t *Transport) exchange(ctx context.Context, g EnterpriseManaged, form url.Values) (string, error) {
	body, err := t.sendTokenRequest(during(ctx, StageToken), tokenRequest{
		endpoint: g.TokenEndpoint, client: &Registration{ClientID: g.ClientID, ClientSecret: g.ClientSecret}, form: form,
	})
	if err != nil {
		return "", err
	}
	var answer struct {
		Token  string `json:"access_token"`
		Issued string `json:"issued_token_type"`
	}
	if err := unmarshal(body, &answer); err != nil {
		return "", err
	}
	if answer.Token == "" || answer.Issued != idJAG {
		return "", errors.New("the answer is not an ID-JAG: issued_token_type differs, or there is no access_token")
	}
	return answer.Token, nil
}

// form has what all grants send (MC08).
func (t grantTarget) form(grant string) url.Values {
	form := url.Values{"grant_type": {grant}, "resource": {t.resource}}
	if t.scope != "" {
		form.Set("scope", t.scope)
	}
	return form
}
