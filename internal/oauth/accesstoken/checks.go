package accesstoken

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// check is one thing that must hold for a token.
type check struct {
	name, rule string
	reads      part
	run        func(*examination) error // fills in the principal as well
}

// part is what a check reads: it can't be made without.
type part int

const (
	theToken  part = iota
	theHeader      // and the signature
	theClaims
	theBoth
)

// checks are all of them, in order. [Verifier.Verify] stops at the first that
// fails; [Verifier.Explain] reports each.
var checks = []check{
	{"form", "it is a signed JWT: three parts of base64url, the first a JSON object (RFC 7515, section 7.1)", theToken, (*examination).form},
	{"algorithm", "it is signed with an allowed algorithm (RFC 8725, section 3.1)", theHeader, (*examination).algorithm},
	{"header", "its header asks for nothing that is not understood here (RFC 7515, section 4.1.11)", theHeader, (*examination).header},
	{"key", "the issuer publishes the key that the header names (RFC 7515, section 4.1.4)", theHeader, (*examination).findKey},
	{"signature", "that key made the signature (RFC 7515, section 5.2)", theHeader, (*examination).signature},
	{"type", "its header has the type of an access token (RFC 9068, section 4)", theHeader, (*examination).headerType},
	{"claims", "its payload is one JSON object, without a name twice (RFC 7519, section 7.2)", theHeader, (*examination).readClaims},
	{"kind", "its claims show an access token, and no other token of the issuer (RFC 8725, section 3.12)", theBoth, (*examination).kind},
	{"issuer", "it is from the trusted issuer, to the letter (RFC 9068, section 4)", theClaims, (*examination).issuer},
	{"audience", "it is meant for this server (RFC 9068, section 4; RFC 8707, section 2)", theClaims, (*examination).audience},
	{"expiry", "it has not expired (RFC 7519, section 4.1.4)", theClaims, (*examination).expiry},
	{"start", "it is valid already (RFC 7519, section 4.1.5)", theClaims, (*examination).valid},
	{"issue", "it says when it was issued, and that has been (RFC 7519, section 4.1.6)", theClaims, (*examination).issued},
	{"lifetime", "it is not valid for too long", theClaims, (*examination).lifetime},
	{"binding", "it is not bound to a key of the client, whose proof this server does not check (RFC 9449, section 7.1)",
		theClaims, (*examination).unbound},
	{"client", "it names the client (RFC 9068, section 2.2)", theClaims, (*examination).client},
	{"subject", "it names the user, or is a client's own (RFC 9068, section 2.2)", theClaims, (*examination).subject},
	{"id", "it has an id, by which it can be found in logs (RFC 9068, section 2.2)", theClaims, (*examination).tokenID},
	{"scopes", "its scopes can be read (RFC 8693, section 4.2)", theClaims, (*examination).scopes},
	{"roles", "its roles, if there are any, can be read (RFC 9068, section 2.2.3.1)", theClaims, (*examination).roles},
}

// examination is one token under examination.
type examination struct {
	v       *Verifier
	ctx     context.Context
	dialect dialect.Dialect // filled in
	now     time.Time
	token   *Unverified
	key     *jwks.Key                  // once it is found
	claims  map[string]json.RawMessage // once they were read, and are unambiguous for the dialect
	who     principal.Principal        // what is known so far

	reports bool   // somebody reads detail
	detail  string // of the last check

	expires, notBefore, issuedAt time.Time // zero: the token doesn't say, or not yet
}

func (v *Verifier) examine(ctx context.Context, token *Unverified) *examination {
	return &examination{v: v, ctx: ctx, token: token, dialect: v.Dialect.Filled(), now: v.now()}
}

// quote makes an excerpt of what the token has the detail of the report.
func (e *examination) quote(values ...string) {
	if e.reports {
		e.detail = printable(strings.Join(values, " "))
	}
}

// principal is a copy, so that it doesn't keep the token in memory.
func (e *examination) principal() *principal.Principal {
	who := e.who
	return &who
}

func (e *examination) form() error {
	if e.token.signed != nil {
		return nil
	}
	signed, err := jws.Parse(e.token.Text)
	if err == nil {
		e.token.signed = signed
		return nil
	}
	refusal := &Refusal{Err: err}
	switch dots := strings.Count(e.token.Text, "."); {
	case dots == 4:
		refusal.Do = "it is encrypted (JWE), so have the issuer only sign its access tokens"
	case dots < 2:
		refusal.Do = "it is opaque, so have the issuer write access tokens as JWTs, or ask it about each (RFC 7662)"
	}
	return refusal
}

func (e *examination) algorithm() error {
	name, _ := e.token.signed.Text("alg")
	if len(e.v.Algorithms) == 0 && e.v.Keys == nil {
		return notChecked("no algorithms are configured; the token says " + printable(name))
	}
	e.detail = name
	if err := e.token.signed.CheckAlgorithm(e.v.Algorithms); err != nil {
		return &Refusal{Err: err, Do: "JWT_ALGORITHMS lists those that are allowed"}
	}
	return nil
}

func (e *examination) header() error { return e.token.signed.CheckHeader() }

func (e *examination) findKey() error {
	id, err := e.token.signed.KeyID()
	if err != nil {
		return err
	}
	e.quote(id)
	if e.v.Keys == nil {
		return notChecked("the issuer's keys are not at hand; the token names " + printable(id))
	}
	key, err := e.token.signed.FindKey(e.ctx, e.v.Keys)
	if err != nil {
		return e.undecided(err)
	}
	e.key = &key
	return nil
}

func (e *examination) signature() error {
	if e.key == nil {
		return notChecked("there is no key to check it with")
	}
	return e.token.signed.CheckSignature(*e.key)
}

// orgType is the header typ of tokens of Okta's org server.
const orgType = "application/okta-internal-at+jwt"

// headerType looks at the header typ: an ID token or a logout token of the same
// issuer is no access token (RFC 9068, section 4; RFC 8725, section 3.11).
func (e *examination) headerType() error {
	typ, present := e.token.signed.Text("typ")
	// A typ that is not a string is there, and is not one that is wanted.
	if e.dialect.Allows(typ, e.token.signed.Has("typ")) {
		e.detail = "there is none"
		if present {
			e.quote(typ)
		}
		return nil
	}
	refusal := &Refusal{
		Err: ErrType, Has: fmt.Sprintf("the header typ is %.32q", typ), Want: strings.Join(e.dialect.Types, " or "),
		Do: "some issuers, such as Keycloak, write another: see JWT_DIALECT, and JWT_TYPES",
	}
	if !e.token.signed.Has("typ") {
		refusal.Has = "the header has no typ"
	}
	if strings.EqualFold(typ, orgType) {
		refusal.Do = "it is of Okta's org server, so for Okta's own APIs alone: use a custom authorization server of Okta"
	}
	return refusal
}

func (e *examination) issuer() error {
	issuer, present, err := e.text("iss")
	if err != nil {
		return err
	}
	if issuer == "" {
		return &Refusal{Err: ErrMissingClaim, Has: "it has no iss", Want: "one"}
	}
	e.who.Issuer = issuer
	e.quote(issuer)
	if e.v.Issuer == "" && present {
		return notChecked("no issuer is configured; the token says " + printable(issuer))
	}
	if issuer != e.v.Issuer {
		return &Refusal{
			Err: ErrIssuer, Has: fmt.Sprintf("the token says %.100q", issuer), Want: fmt.Sprintf("%.100q", e.v.Issuer),
			Do: "JWT_ISSUER must be the issuer to the letter",
		}
	}
	return e.tenant()
}

// tenant sees that the token is of the tenant whose issuer it names, where the
// provider writes it twice.
func (e *examination) tenant() error {
	name := e.dialect.Tenant
	if name == "" {
		return nil
	}
	tenant, _, err := e.text(name)
	if err == nil && (tenant == "" || !slices.Contains(strings.Split(e.who.Issuer, "/"), tenant)) {
		err = &Refusal{Err: ErrIssuer, Has: fmt.Sprintf("its %s is %.64q", name, tenant), Want: "a part of the issuer"}
	}
	return err
}

func (e *examination) audience() error {
	name := e.dialect.Audience
	audiences, err := e.audiences()
	if err != nil {
		return err
	}
	said := strings.Join(audiences, " ")
	if said == "" {
		return &Refusal{
			Err: ErrMissingClaim, Has: "it has no " + name, Want: printable(e.v.Audience),
			Do: "have the issuer add it; what the client must ask for is in the provider's documentation",
		}
	}
	e.quote(said)
	if e.v.Audience == "" {
		return notChecked("no audience is configured; the token says " + printable(said))
	}
	for _, audience := range audiences {
		if audience == e.v.Audience || slices.Contains(e.v.Audiences, audience) {
			return nil
		}
	}
	return &Refusal{
		Err: ErrAudience, Has: "the token is for " + printable(said),
		Want: fmt.Sprintf("%.100q", strings.Join(append([]string{e.v.Audience}, e.v.Audiences...), " or ")),
		Do:   "have the issuer add it, or set JWT_AUDIENCE",
	}
}

func (e *examination) expiry() error {
	expires, present, err := e.date("exp")
	if err != nil {
		return err
	}
	if !present {
		return &Refusal{Err: ErrExpired, Has: "it has no exp", Want: "one"}
	}
	e.expires, e.who.Expires = expires, expires.UTC()
	if e.reports {
		e.detail = "until " + date(expires)
	}
	if hasExpired(expires, e.now) {
		return &Refusal{Err: ErrExpired, Has: "exp " + date(expires) + ", clock " + date(e.now), Do: "get a new token, or set the clocks"}
	}
	return nil
}

func (e *examination) valid() error { return e.begun("nbf", &e.notBefore) }

func (e *examination) issued() error {
	if _, present := e.claims["iat"]; !present && !e.dialect.Lacks("iat") {
		return e.missing("iat")
	}
	return e.begun("iat", &e.issuedAt)
}

// begun sees that a date, if there is one, isn't in the future.
func (e *examination) begun(name string, at *time.Time) error {
	from, present, err := e.date(name)
	if err != nil || !present {
		return err
	}
	*at = from
	if e.reports {
		e.detail = name + " " + date(from)
	}
	if isEarly(from, e.now) {
		return &Refusal{Err: ErrNotYetValid, Has: name + " " + date(from) + ", clock " + date(e.now), Do: "set the clocks"}
	}
	return nil
}

// lifetime is the time from issue to expiry, or what is left where the issuer
// doesn't say when it issued the token.
func (e *examination) lifetime() error {
	from, present, err := e.date("iat")
	if err != nil || e.expires.IsZero() {
		return notChecked("there is no exp, or iat is not a date")
	}
	if !present {
		from = e.now
	}
	lifetime := e.expires.Sub(from)
	if e.reports {
		e.detail = lifetime.Round(time.Second).String()
	}
	if lifetime > e.dialect.MaxLifetime {
		return &Refusal{
			Err: ErrLifetime, Has: lifetime.String(), Want: "at most " + e.dialect.MaxLifetime.String(),
			Do: "have the issuer shorten it, or set JWT_MAX_LIFETIME",
		}
	}
	return nil
}

// unbound refuses a token that is good only together with a proof (RFC 9449,
// section 7.1; RFC 8705, section 3), which nobody checks here: taken as a bearer
// token, a stolen one would work.
func (e *examination) unbound() error {
	if _, bound := e.claims["cnf"]; bound {
		return &Refusal{Err: ErrBound, Has: "it has the claim cnf", Do: "have the issuer make bearer tokens for this server"}
	}
	return nil
}

// client reads the client from the claims that can name it.
func (e *examination) client() error {
	for _, name := range e.dialect.Client {
		client, present, err := e.text(name)
		if err != nil {
			return err
		}
		if present && e.who.ClientID != "" && client != e.who.ClientID {
			return fmt.Errorf("%w: %s differs from %s", ErrMalformed, name, e.dialect.Client[0])
		}
		if present {
			e.who.ClientID = client
		}
	}
	e.quote(e.who.ClientID)
	if e.who.ClientID == "" {
		return &Refusal{
			Err: ErrMissingClaim, Has: "it has no " + strings.Join(e.dialect.Client, " or "),
			Do: "JWT_CLIENT_CLAIMS names the claims that can hold the client",
		}
	}
	return nil
}

// subject reads who the user is. Without one, the principal is the client, under a
// name that no user has (RFC 9068, section 5).
func (e *examination) subject() error {
	name := e.dialect.Subject
	subject, present, err := e.text(name)
	if err != nil {
		return err
	}
	if e.who.Username, _, err = e.text(e.dialect.Username); err != nil {
		return err
	}
	switch lacks := e.dialect.Lacks("sub"); {
	case !present && lacks && e.who.ClientID != "":
		subject = principal.ClientSubject + e.who.ClientID
	case subject == "":
		return e.missing(name)
	case lacks && strings.HasPrefix(subject, principal.ClientSubject):
		return fmt.Errorf("%w: %s begins with %q, like a client that acts for itself", ErrMalformed, name, principal.ClientSubject)
	}
	e.who.Subject = subject
	e.quote(subject)
	return nil
}

func (e *examination) tokenID() error {
	id, present, err := e.text(e.dialect.ID)
	if err != nil {
		return err
	}
	e.quote(id)
	if id == "" && (present || !e.dialect.Lacks("jti")) {
		return e.missing(e.dialect.ID)
	}
	return nil
}

// missing refuses a token for a claim that isn't there, or is empty.
func (e *examination) missing(name string) error {
	return &Refusal{
		Err: ErrMissingClaim, Has: "it has no " + name,
		Do: "have the issuer add it, or see JWT_DIALECT, and JWT_MAY_LACK",
	}
}

// date is a date for the log.
func date(d time.Time) string { return d.UTC().Format(time.RFC3339) }
