package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// claims are those of an ID token.
type claims map[string]json.RawMessage

// alwaysRead are the claims that are read of every ID token.
var alwaysRead = []string{
	"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "auth_time", "events", "oid", "tid", "hd", "_claim_names",
	"preferred_username", "name", "given_name", "family_name", "email", "email_verified",
}

// verify checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7): its form,
// who signed it, and only then what it says.
func (p *Provider) verify(ctx context.Context, token string, attempt Attempt) (claims, error) {
	refuse := func(err error) (claims, error) { return nil, fmt.Errorf("%w: ID token: %w", ErrResponse, err) }
	signed, err := jws.Parse(token)
	if err != nil {
		return refuse(err)
	}
	if err := signed.Authenticate(ctx, p.source, p.settings.Algorithms); err != nil {
		return refuse(err)
	}
	// An access token or a logout token of the same issuer is none (RFC 8725, section 3.11).
	if typ, _ := signed.Text("typ"); signed.Has("typ") && !strings.EqualFold(typ, "JWT") {
		return refuse(fmt.Errorf("the header typ is %.32q", typ))
	}
	names := append([]string{p.settings.GroupsClaim[0], p.settings.RolesClaim[0]}, alwaysRead...)
	members, err := strictjson.Members(signed.Payload, names...)
	if err != nil {
		return refuse(err)
	}
	c := claims(members)
	for _, check := range []func(claims, Attempt) error{p.checkIssuer, p.checkAudience, p.checkDates, p.checkAttempt} {
		if err := check(c, attempt); err != nil {
			return refuse(err)
		}
	}
	return c, nil
}

// checkIssuer compares the issuer to the letter. Where one issuer stands for
// several tenants, the token names its own.
func (p *Provider) checkIssuer(c claims, _ Attempt) error {
	issuer, want := c.text("iss"), p.settings.tokenIssuer()
	if p.settings.Dialect == Entra {
		tenant := c.text("tid")
		match := entraTenant.FindStringSubmatch(issuer)
		if match == nil || match[2] != tenant {
			return fmt.Errorf("its iss %.100q is not that of its tid %.40q", issuer, tenant)
		}
		if p.settings.severalTenants() {
			want = strings.Replace(want, "{tenantid}", tenant, 1)
		}
	}
	if issuer != want {
		return fmt.Errorf("iss is %.100q, want %q", issuer, want)
	}
	return nil
}

// checkAudience wants this client, and nobody else beside it: another one could
// have got the token too.
func (p *Provider) checkAudience(c claims, _ Attempt) error {
	us := p.settings.Client.ID
	audiences, _ := strictjson.Strings(c["aud"])
	if single, ok := strictjson.String(c["aud"]); ok {
		audiences = []string{single}
	}
	if !slices.Equal(audiences, []string{us}) {
		return fmt.Errorf("aud is %.100q, want %q alone", audiences, us)
	}
	if _, has := c["azp"]; has && c.text("azp") != us {
		return fmt.Errorf("azp is %.100q, want %q", c.text("azp"), us)
	}
	return nil
}

// checkDates allows clocks that differ by a minute. The token must have been made
// for this login: one that is older was not.
func (p *Provider) checkDates(c claims, attempt Attempt) error {
	now := p.now()
	expires, hasExpiry := jws.Date(c["exp"])
	issued, hasIssue := jws.Date(c["iat"])
	switch {
	case !hasExpiry || !hasIssue:
		return errors.New("it has no exp or no iat")
	case !now.Before(expires.Add(leeway)):
		return fmt.Errorf("it has expired: exp is %s", expires.UTC().Format(time.RFC3339))
	case issued.After(now.Add(leeway)):
		return fmt.Errorf("it is from the future: iat is %s", issued.UTC().Format(time.RFC3339))
	case issued.Before(time.Unix(attempt.Began, 0).Add(-leeway)):
		return fmt.Errorf("it is older than this login: iat is %s", issued.UTC().Format(time.RFC3339))
	}
	if raw, has := c["nbf"]; has {
		if from, ok := jws.Date(raw); !ok || from.After(now.Add(leeway)) {
			return errors.New("it is not valid yet, or nbf is not a date")
		}
	}
	return nil
}

// checkAttempt sees that the token answers this login and no other (OpenID Connect
// Core 1.0, sections 3.1.3.7 and 15.5.2).
func (p *Provider) checkAttempt(c claims, attempt Attempt) error {
	if attempt.Nonce == "" || c.text("nonce") != attempt.Nonce {
		return errors.New("its nonce is not that of this login")
	}
	if _, has := c["events"]; has {
		return errors.New("it has events, so it is another kind of token")
	}
	raw, has := c["auth_time"]
	if at, ok := jws.Date(raw); has && !ok {
		return errors.New("auth_time is not a date")
	} else if has && attempt.Fresh && at.Before(time.Unix(attempt.Began, 0).Add(-leeway)) {
		return errors.New("the user did not log in again, as was asked for")
	}
	return nil
}

// text is a claim that is a string, or nothing.
func (c claims) text(name string) string {
	text, _ := strictjson.String(c[name])
	return text
}

// values are the strings at a path: one string, or an array of them. A provider
// that has too many values for a token names another place instead (OpenID Connect
// Core 1.0, section 5.6.2). Nobody asks there, so there are none.
func (c claims) values(path []string) []string {
	if elsewhere, err := strictjson.Object(c["_claim_names"]); c["_claim_names"] != nil && (err != nil || elsewhere[path[0]] != nil) {
		return nil
	}
	raw := c[path[0]]
	for _, name := range path[1:] {
		holder, _ := strictjson.Members(raw, name) // nil for what is not an object
		raw = holder[name]
	}
	if single, ok := strictjson.String(raw); ok {
		return []string{single}
	}
	list, _ := strictjson.Strings(raw)
	return list
}
