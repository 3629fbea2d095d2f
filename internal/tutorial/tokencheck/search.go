package tokencheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/syntax"
)

// search looks for settings under which a token would pass.
type search struct {
	ctx   context.Context
	token string
	base  accesstoken.Verifier // what is set already
	own   string               // this server's resource identifier
	now   time.Time
	known bool // the issuer's address is that of a provider
}

// candidate is a set of settings that is tried.
type candidate struct {
	rules   accesstoken.Verifier
	said    *claims
	own     string
	lines   []Line
	remarks []string
}

// beyondSettings are the checks of which no setting changes the outcome, with the
// reason to tell.
var beyondSettings = map[string]string{
	"header":  "Its header asks for something that no server here understands (crit, b64, zip, cty or enc).",
	"key":     "Its header names no key. The issuer must write a kid.",
	"claims":  "Its payload can't be read in one way alone.",
	"binding": "It is bound to a key of the client, and this server checks no proof of it. The issuer must write a bearer token.",
}

// hopeless says why no setting can help. It is nil where one may.
func (s *search) hopeless() []string {
	said, err := readClaims(s.token)
	if err != nil {
		return opaque(s.token)
	}
	var why []string
	for _, check := range s.base.Explain(s.ctx, s.token) {
		if check.Outcome == accesstoken.Failed && beyondSettings[check.Name] != "" {
			why = append(why, beyondSettings[check.Name])
		}
	}
	if !slices.Contains(known, said.algorithm) {
		why = append(why, fmt.Sprintf("Its algorithm is %.32q. The server takes %s alone: with a shared secret (HS…) or without a signature, "+
			"whoever checks a token could make one.", said.algorithm, strings.Join(known, ", ")))
	}
	if issuer := said.text("iss"); issuerkeys.CheckURL(issuer) != nil || !syntax.Visible(issuer) || strings.ContainsAny(issuer, "?#'") {
		why = append(why, fmt.Sprintf("Its issuer is %.100q, which is not an https URL, nor an http URL of this machine.", issuer))
	}
	if strings.EqualFold(said.typ, "application/okta-internal-at+jwt") {
		why = append(why, "It is of Okta's org server, so it is for Okta's own APIs. Let clients use a custom authorization server of Okta.")
	}
	if mark := said.idTokenMark(); mark != "" {
		why = append(why, "It looks like an ID token: "+mark+". An ID token says who logged in, and every client of the user has one. "+
			"Send the access token.")
	}
	if _, has := said.members["exp"]; !has {
		why = append(why, "It has no exp. A token that never expires is a password; the issuer must write one.")
	}
	return why
}

// known are the algorithms that a setting can allow.
var known = []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}

// opaque says what to do about a token that is not a signed JWT.
func opaque(token string) []string {
	switch dots := strings.Count(token, "."); {
	case strings.HasPrefix(token, "ya29."):
		return []string{"It looks like a token of Google: opaque, and Google has no introspection (RFC 7662). " +
			"Let step 9 issue the tokens, with Google as its login; see providers/google.env."}
	case dots == 4:
		return []string{"It is encrypted (JWE). Have the issuer only sign its access tokens."}
	case dots == 2:
		return []string{"It has the three parts of a JWT, and they can't be read."}
	}
	return []string{"It is opaque, so no setting can check it here. Have the issuer write access tokens as JWTs. " +
		"Or let the server ask the issuer about each token (RFC 7662): INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET."}
}

// best is the candidate with the fewest lines, or nil.
func (s *search) best(issuer string) *candidate {
	said, err := readClaims(s.token)
	if err != nil {
		return nil
	}
	var best *candidate
	for _, d := range s.candidates(issuer, dialect.IsAccessTokenType(said.typ)) {
		c := &candidate{rules: s.base, said: said, own: s.own}
		if s.try(c, d, issuer) && (best == nil || len(c.lines) < len(best.lines)) {
			best = c
		}
	}
	return best
}

// try changes one setting after another until the token passes, or one is missing.
func (s *search) try(c *candidate, d dialect.Dialect, issuer string) bool {
	if c.rules.Issuer != issuer {
		c.rules.Issuer = issuer
		c.add("JWT_ISSUER", issuer, "")
	}
	if c.rules.Dialect.Name != d.Name {
		c.add("JWT_DIALECT", d.Name, "")
	}
	c.rules.Dialect = d
	s.atItsTime(c)
	for range 10 { // each round changes one thing, or ends
		report := c.rules.Explain(s.ctx, s.token)
		failed := slices.IndexFunc(report, func(check accesstoken.Check) bool { return check.Outcome == accesstoken.Failed })
		if failed < 0 {
			s.sayProof(c)
			return true
		}
		fix := fixes[report[failed].Name]
		if fix == nil || !fix(c) {
			return false
		}
	}
	return false
}

// sayProof says by which claims the token is taken for an access token, where that is
// a guess.
func (s *search) sayProof(c *candidate) {
	if s.known || len(c.rules.Dialect.Proof) == 0 || dialect.IsAccessTokenType(c.said.typ) {
		return
	}
	var proof []string
	for _, condition := range c.rules.Dialect.Proof {
		proof = append(proof, condition.String())
	}
	c.remarks = append(c.remarks, fmt.Sprintf("The dialect %s takes it for an access token by these conditions: %s. "+
		"The issuer's address doesn't say whose it is, so make sure that its ID tokens don't meet them.",
		c.rules.Dialect.Name, strings.Join(proof, ", ")))
}

// atItsTime looks at an expired token as it was while it was valid: the lines are for
// the next one of its kind.
func (s *search) atItsTime(c *candidate) {
	expires, issued := c.said.date("exp"), c.said.date("iat")
	switch {
	case !s.now.Before(expires.Add(accesstoken.Leeway)):
		c.remarks = append(c.remarks, "It expired at "+expires.Format(time.RFC3339)+": no setting changes that. "+
			"The lines are for a new one of its kind.")
		moment := expires.Add(-time.Second)
		c.rules.Now = func() time.Time { return moment }
	case issued.After(s.now.Add(accesstoken.Leeway)):
		c.remarks = append(c.remarks, "It was issued in the future by the clock of this machine: set the clocks.")
		c.rules.Now = func() time.Time { return issued }
	}
}

func (c *candidate) add(name, value, remark string) {
	c.lines = append(c.lines, Line{name, value, remark})
}

// fixes change one setting so that a check can pass, by the check's name. What isn't
// here can't be set.
var fixes = map[string]func(*candidate) bool{
	"algorithm": (*candidate).fixAlgorithm,
	"audience":  (*candidate).fixAudience,
	"issue":     func(c *candidate) bool { return c.fixMissing("iat") },
	"subject":   func(c *candidate) bool { return c.rules.Dialect.Subject == "" && c.fixMissing("sub") },
	"id":        func(c *candidate) bool { return c.fixMissing("jti") },
	"lifetime":  (*candidate).fixLifetime,
	"client":    (*candidate).fixClient,
	"scopes":    (*candidate).fixScopes,
}

func (c *candidate) fixAlgorithm() bool {
	if slices.Contains(c.rules.Algorithms, c.said.algorithm) {
		return false
	}
	c.rules.Algorithms = append(slices.Clone(c.rules.Algorithms), c.said.algorithm)
	c.add("JWT_ALGORITHMS", strings.Join(c.rules.Algorithms, ","), "")
	return true
}

// neverOurs are audiences of other services, whatever the server is called.
var neverOurs = []string{"account", "00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com", "https://api.pingone.com"}

// fixAudience takes an audience of the token for this server's. It is the one fix that
// lets in tokens which were made for something else.
func (c *candidate) fixAudience() bool {
	claim := c.rules.Dialect.Filled().Audience
	audiences := c.said.list(claim)
	if client := c.said.text("client_id"); len(audiences) == 0 && c.rules.Dialect.Name == "cognito" && claim == "aud" && client != "" {
		c.rules.Dialect.Audience, c.rules.Audience, c.rules.Audiences = "client_id", client, nil
		c.add("JWT_AUDIENCE_CLAIM", "client_id", "")
		c.add("JWT_AUDIENCE", client, "every token of this client opens this server and all others that look no further; "+
			"better let clients ask for the resource "+c.own)
		return true
	}
	if slices.Contains(audiences, c.own) { // then JWT_AUDIENCE is wrong
		audiences = []string{c.own}
	}
	for _, audience := range audiences {
		if audience == c.rules.Audience || !syntax.Visible(audience) || strings.Contains(audience, ",") || c.isOthers(audience) {
			continue
		}
		c.rules.Audience, c.rules.Audiences = audience, nil
		c.add("JWT_AUDIENCE", audience, c.opens(audience))
		return true
	}
	return false
}

// isOthers tells whether an audience is that of a service of the provider.
func (c *candidate) isOthers(audience string) bool {
	return slices.Contains(neverOurs, audience) || strings.HasSuffix(audience, "/userinfo") || audience == c.rules.Issuer
}

// opens says what else the tokens for an audience open.
func (c *candidate) opens(audience string) string {
	if audience == c.own {
		return ""
	}
	if slices.Contains(c.said.clients(), audience) {
		return "this is the client's own id: tokens for it also open whatever else takes tokens of this client; " +
			"better have the issuer write " + c.own + " into aud"
	}
	if strings.HasPrefix(c.rules.Dialect.Name, "entra") {
		return "this must be the registration of this server alone: tokens for it also open whatever else takes the same audience"
	}
	if name, ok := strings.CutSuffix(audience, "/mcp"); ok && strings.HasPrefix(audience, "http") {
		return "tokens for this also open whatever else takes the same audience; if it is the name of this server, set MCP_SERVER_URL=" +
			name + " in its place"
	}
	return "this is not this server's name, " + c.own + ": tokens for it also open whatever else takes the same audience; " +
		"better have the issuer write this server's name into aud"
}

func (c *candidate) fixMissing(claim string) bool {
	if _, present := c.said.members[claim]; present || c.rules.Dialect.Lacks(claim) {
		return false
	}
	c.rules.Dialect.MayLack = append(slices.Clone(c.rules.Dialect.MayLack), claim)
	c.set("JWT_MAY_LACK", strings.Join(c.rules.Dialect.MayLack, ","), "better have the issuer add what is missing")
	return true
}

// set adds a line, or changes the one of this name.
func (c *candidate) set(name, value, remark string) {
	c.lines = slices.DeleteFunc(c.lines, func(l Line) bool { return l.Name == name })
	c.add(name, value, remark)
}

func (c *candidate) fixLifetime() bool {
	const most = 30 * 24 * time.Hour
	from := c.said.date("iat")
	if from.IsZero() {
		from = c.rules.Now()
	}
	hours := c.said.date("exp").Sub(from).Truncate(time.Hour) + time.Hour
	if hours > most || hours <= c.rules.Dialect.Filled().MaxLifetime {
		return false
	}
	c.rules.Dialect.MaxLifetime = hours
	c.add("JWT_MAX_LIFETIME", strings.TrimSuffix(hours.String(), "0m0s"),
		"a stolen token works for so long; better have the issuer shorten it")
	return true
}

func (c *candidate) fixClient() bool {
	for _, claim := range []string{"client_id", "azp", "cid", "appid"} {
		if c.said.text(claim) == "" || slices.Contains(c.rules.Dialect.Filled().Client, claim) {
			continue
		}
		c.rules.Dialect.Client = []string{claim}
		c.add("JWT_CLIENT_CLAIMS", claim, "")
		return true
	}
	return false
}

func (c *candidate) fixScopes() bool {
	for _, claim := range []string{"scope", "scp", "permissions"} {
		form := claim
		if c.said.text(claim) == "" {
			form += "[]"
		}
		if _, present := c.said.members[claim]; !present || slices.Contains(c.rules.Dialect.Filled().Scopes, form) {
			continue
		}
		c.rules.Dialect.Scopes = []string{form}
		c.set("JWT_SCOPE_CLAIMS", form, "")
		return true
	}
	return false
}
