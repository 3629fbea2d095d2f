package accesstoken

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/syntax"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// alwaysRead are the claims that are read in every dialect.
var alwaysRead = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "preferred_username", "scope", "roles", "cnf",
	"typ", "azp", "resource_access", "scp", "permissions", "nonce", "at_hash", "c_hash", "s_hash", "events",
}

// readClaims reads the payload (RFC 7519, section 7.2). golang-jwt's own claims take
// a name in any case for another; here, a name that is read must not stand in two
// cases. Each check reads its own claims, with the types that the RFCs give.
func (e *examination) readClaims() (err error) {
	if e.token.claims == nil {
		e.token.claims, err = strictjson.Members(e.token.signed.Payload)
	}
	if err == nil {
		err = strictjson.Unambiguous(e.token.claims, e.reads)
	}
	if err != nil {
		return fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	e.claims = e.token.claims
	return nil
}

// reads tells whether a claim can be one that is read.
func (e *examination) reads(name string) bool {
	return slices.Contains(alwaysRead, name) || slices.Contains(e.dialect.Names(), name)
}

// text reads a claim that must be a string if it is there.
func (e *examination) text(name string) (value string, present bool, err error) {
	raw, present := e.claims[name]
	if !present {
		return "", false, nil
	}
	value, ok := strictjson.String(raw)
	if !ok {
		return "", true, fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
	}
	return value, true, nil
}

// date reads a claim that must be a date if it is there.
func (e *examination) date(name string) (value time.Time, present bool, err error) {
	raw, present := e.claims[name]
	if !present {
		return time.Time{}, false, nil
	}
	value, ok := jws.Date(raw)
	if !ok {
		return time.Time{}, true, fmt.Errorf("%w: %s is not a date", ErrMalformed, name)
	}
	return value, true, nil
}

// audiences reads whom the token is for. A single audience may stand without its
// array (RFC 7519, section 4.1.3).
func (e *examination) audiences() ([]string, error) {
	name := e.dialect.Audience
	if single, ok := strictjson.String(e.claims[name]); ok {
		return []string{single}, nil
	}
	list, ok := strictjson.Strings(e.claims[name])
	if !ok {
		return nil, &Refusal{Err: ErrAudience, Has: name + " is missing, or is neither a string nor an array of strings"}
	}
	return list, nil
}

// otherTokens are claims that no access token has: hashes of the tokens beside
// an ID token (OpenID Connect Core 1.0, section 3.3.2.11), events of a logout
// token (Back-Channel Logout 1.0, section 2.4) or of another (RFC 8417).
var otherTokens = []string{"at_hash", "c_hash", "s_hash", "events"}

// kind tells an access token by its claims, of an issuer whose header says too
// little. Refresh tokens, ID tokens and logout tokens are refused whatever the
// header says (RFC 8725, section 3.12).
func (e *examination) kind() error {
	for _, name := range otherTokens {
		if _, has := e.claims[name]; has {
			return &Refusal{Err: ErrType, Has: "it has the claim " + name}
		}
	}
	typ, _ := e.token.signed.Text("typ")
	typed := dialect.IsAccessTokenType(typ)
	var shown []string
	for _, condition := range e.dialect.Proof {
		if typed && (condition.Kind != dialect.IsValue || e.claims[condition.Claims[0]] == nil) {
			continue // the header has said so, and nothing contradicts
		}
		if !e.holds(condition) {
			return e.notShown(condition)
		}
		shown = append(shown, condition.String())
	}
	if !typed && len(shown) == 0 {
		return &Refusal{
			Err: ErrType, Has: "no claim is configured that would show an access token", Do: "see JWT_DIALECT, and JWT_PROOF",
		}
	}
	if e.detail = strings.Join(shown, ", "); typed {
		e.detail = "the header says so"
	}
	return nil
}

func (e *examination) notShown(c dialect.Condition) error {
	refusal := &Refusal{
		Err: ErrType, Want: c.String() + " or the header typ at+jwt",
		Do: "other tokens of the issuer, such as ID tokens, are refused",
	}
	switch raw := e.claims[first(c.Claims)]; {
	case c.Kind == dialect.NotClient:
		refusal.Has = "it is for the client that got it, like an ID token"
	case c.Kind == dialect.IsMissing:
		refusal.Has = "it has the claim " + c.Claims[0]
	case raw == nil:
		refusal.Has = "it has no claim " + strings.Join(c.Claims, " or ")
	default:
		word, _ := strictjson.String(raw)
		refusal.Has = fmt.Sprintf("the claim %s is %.32q", c.Claims[0], word)
	}
	return refusal
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// holds tells whether a condition holds.
func (e *examination) holds(c dialect.Condition) bool {
	there := func(name string) bool { return e.claims[name] != nil && string(e.claims[name]) != "null" }
	switch c.Kind {
	case dialect.IsValue:
		raw := e.claims[c.Claims[0]]
		word, isString := strictjson.String(raw)
		return raw != nil && (isString && word == c.Value || string(raw) == c.Value)
	case dialect.IsMissing:
		return e.claims[c.Claims[0]] == nil
	case dialect.NotClient:
		return e.isNotForClient()
	case dialect.HasOne:
		return slices.ContainsFunc(c.Claims, there)
	}
	return false
}

// isNotForClient tells whether the token names its client, and other audiences.
func (e *examination) isNotForClient() bool {
	audiences, err := e.audiences()
	if err != nil {
		return false
	}
	named := false
	for _, claim := range e.dialect.Client {
		client, ok := strictjson.String(e.claims[claim])
		if ok && slices.Contains(audiences, client) {
			return false
		}
		named = named || ok
	}
	return named
}

// scopeClaims are claims in which issuers write scopes.
var scopeClaims = []string{"scope", "scp", "permissions"}

// scopes reads the scopes from the first claim that has them. A token that has them
// elsewhere, or in another form, is refused: taken for one without scopes, it would
// be refused later for a reason that misleads.
func (e *examination) scopes() error {
	e.who.ScopeNames = e.v.ScopeNames
	for _, claim := range e.dialect.Scopes {
		name, isArray := strings.CutSuffix(claim, "[]")
		raw, present := e.claims[name]
		if !present {
			continue
		}
		var ok bool
		if e.who.Scopes, ok = readScopes(raw, isArray); !ok {
			return unreadable(name+" is not "+form(isArray), e.dialect.Scopes)
		}
		e.quote(e.who.Scopes...)
		return nil
	}
	for _, name := range scopeClaims {
		if _, has := e.claims[name]; has && !slices.Contains(e.dialect.Roles[:1], name) {
			return unreadable("it has "+name+", and no "+strings.Join(e.dialect.Scopes, " or "), e.dialect.Scopes)
		}
	}
	e.who.Scopes, e.detail = []string{}, "it has none"
	return nil
}

func unreadable(has string, want []string) error {
	return &Refusal{
		Err: ErrScopes, Has: has, Want: strings.Join(want, " or "),
		Do: "JWT_SCOPE_CLAIMS names the claims, with [] behind an array",
	}
}

func form(isArray bool) string {
	if isArray {
		return "an array of scopes"
	}
	return "a string"
}

// readScopes reads a string with blanks between (RFC 8693, section 4.2), where
// nothing else separates, or an array of scopes.
func readScopes(raw json.RawMessage, isArray bool) ([]string, bool) {
	if isArray {
		list, ok := strictjson.Strings(raw)
		isNone := func(s string) bool { return !syntax.ScopeToken(s) }
		return list, ok && !slices.ContainsFunc(list, isNone)
	}
	text, ok := strictjson.String(raw)
	return slices.DeleteFunc(strings.Split(text, " "), func(s string) bool { return s == "" }), ok
}

// roles reads the roles of the user at the one path where they count. The names of
// objects on the way are somebody's data, and exact.
func (e *examination) roles() error {
	path := e.dialect.Roles
	e.who.Roles, e.detail = []string{}, "it has none"
	raw, present := e.claims[path[0]]
	for i, name := range path[1:] {
		if !present {
			return nil
		}
		var read []string
		if i == len(path)-2 {
			read = []string{name}
		}
		holder, err := strictjson.Members(raw, read...)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrMalformed, strings.Join(path[:i+1], "."), err)
		}
		raw, present = holder[name]
	}
	if !present {
		return nil
	}
	roles, ok := strictjson.Strings(raw)
	if !ok {
		return &Refusal{
			Err: ErrMalformed, Has: strings.Join(path, ".") + " is not an array of strings",
			Do: "JWT_ROLES_CLAIM says where the roles are",
		}
	}
	e.who.Roles = roles
	e.quote(roles...)
	return nil
}
