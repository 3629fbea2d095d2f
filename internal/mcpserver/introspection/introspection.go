// Package introspection asks the issuer about each access token (RFC 7662), for
// issuers whose tokens are opaque or have to be revocable at once. What the
// answer says is held to the same rules as the claims of a JWT.
//
//	verifier := introspection.New(config, rules, keySet.IntrospectionEndpoint)
//	mcp = bearerauth.Require(verifier, challenge, mcp)
//
// An accepted token counts for [Config.Keep], and never past its exp: for so long
// a revoked token still works. A refusal counts for two seconds. An answer that
// has ended is not used any more, however long the issuer is away: while it can't
// be asked, a token can be neither accepted nor refused, so the request gets 503.
package introspection

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

const (
	// DefaultKeep is how long an answer counts, unless the operator says otherwise.
	DefaultKeep = 30 * time.Second
	// MaxKeep is the longest time that an operator may choose.
	MaxKeep = 5 * time.Minute

	maxAnswer = 64 << 10 // bytes of an answer
	atOnce    = 16       // questions at the same time

	// Retry-After of an answer that is missing, in these bounds.
	shortestRetry = time.Second
	longestRetry  = time.Minute
)

// What can be wrong, besides the errors of package accesstoken.
var (
	// ErrInactive says that the issuer doesn't know the token, or that it has
	// expired or was revoked (RFC 7662, section 2.2).
	ErrInactive = errors.New("the issuer says that the token is not active")
	// ErrNoAnswer says that the issuer couldn't be asked.
	ErrNoAnswer = errors.New("the issuer gave no answer about the token")
)

// Optional are the members that the answers of some issuers don't have, by the
// names of [Config.MayOmit]: RFC 7662, section 2.2, has all but active optional.
// aud may be missing only with an issuer that says active to nobody but the
// audience of a token (section 4): otherwise a token for any server opens this one.
var Optional = []string{"iss", "aud", "exp", "token_type"}

// Config says whom to ask, and as which client.
type Config struct {
	Endpoint    string // empty: the introspection_endpoint of the issuer's metadata
	Method      string // [clientauth.Basic], [clientauth.Post] or [clientauth.PrivateKeyJWT]
	Credentials clientauth.Credentials
	Keep        time.Duration // how long an accepted token counts; 0: it is asked about each time
	MayOmit     []string      // which of [Optional] the issuer leaves out; none: all must be there
}

// Verifier asks the issuer about tokens.
type Verifier struct {
	config   Config
	rules    accesstoken.Verifier
	endpoint func() string
	client   *http.Client
	cache    *cache
	flights  singleflight.Group // one question a token
	slots    chan struct{}      // questions under way
}

// Instead returns a verifier that asks the issuer, or the rules themselves where
// config is nil.
func Instead(config *Config, rules *accesstoken.Verifier, endpoint func() string) bearerauth.Verifier {
	if config == nil {
		return rules
	}
	return New(*config, rules, endpoint)
}

// New returns a verifier. rules says what a token must be like: its issuer, its
// audience and where its roles are; its keys and algorithms aren't used. endpoint
// is where to ask if config doesn't say so, as far as that is known by now.
func New(config Config, rules *accesstoken.Verifier, endpoint func() string) *Verifier {
	v := &Verifier{
		config: config, rules: *rules, endpoint: endpoint, client: issuerkeys.NewClient(), cache: newCache(), slots: make(chan struct{}, atOnce),
	}
	// The members of an answer have the names of RFC 7662. Where the roles are, and
	// what may be missing, is the issuer's own.
	v.rules.Dialect = dialect.Dialect{
		Name: rules.Dialect.Name, Roles: rules.Dialect.Roles, MayLack: rules.Dialect.MayLack, MaxLifetime: rules.Dialect.MaxLifetime,
	}
	return v
}

// Verify asks the issuer about a token, unless an earlier answer still counts.
// The error is an [accesstoken.UndecidedError] where there is no answer.
func (v *Verifier) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	if v.rules.Issuer == "" || v.rules.Audience == "" {
		return nil, accesstoken.ErrUnconfigured
	}
	if token == "" || len(token) > jws.MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", accesstoken.ErrMalformed, len(token))
	}
	key := tokencache.KeyOf(token)
	if known, ok := v.cache.get(key, v.now()); ok {
		return known.result()
	}
	// A request that is broken off doesn't spoil the answer for others.
	flight := v.flights.DoChan(key, func() (any, error) {
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerkeys.AnswerTime)
		defer cancel()
		return v.decide(asking, token, key), nil
	})
	select {
	case result := <-flight:
		return result.Val.(answer).result()
	case <-ctx.Done():
		return nil, undecided(shortestRetry, ctx.Err())
	}
}

// decide asks about a token and remembers the decision, if there is one.
func (v *Verifier) decide(ctx context.Context, token, key string) answer {
	asked := v.now()
	body, err := v.ask(ctx, token)
	if err != nil {
		return answer{err: err}
	}
	decided := answer{until: asked.Add(moment)}
	who, err := v.read(body, key)
	if decided.err = err; err == nil {
		decided.who = who
		decided.until = asked.Add(v.config.Keep)
		if who.Expires.Before(decided.until) {
			decided.until = who.Expires
		}
	}
	var open *accesstoken.UndecidedError
	if !errors.As(err, &open) {
		v.cache.put(key, decided, v.now())
	}
	return decided
}

// ask sends the question (RFC 7662, section 2.1) and returns the body of the
// answer. All that goes wrong here is undecided.
func (v *Verifier) ask(ctx context.Context, token string) ([]byte, error) {
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-ctx.Done():
		return nil, undecided(shortestRetry, errors.New("too many questions at a time"))
	}
	request, err := v.request(ctx, token)
	if err != nil {
		return nil, undecided(shortestRetry, err)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return nil, undecided(shortestRetry, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case response.StatusCode == http.StatusUnauthorized, response.StatusCode == http.StatusForbidden:
		// RFC 7662, section 2.3: it is this server that isn't let in.
		return nil, undecided(shortestRetry, fmt.Errorf("%s refuses this server's own credentials with status %d%s; "+
			"check INTROSPECTION_CLIENT_ID, its secret or key, and INTROSPECTION_METHOD", request.URL, response.StatusCode, codeOf(body)))
	case response.StatusCode != http.StatusOK:
		return nil, undecided(retryAfter(response.Header), fmt.Errorf("%s: status %d%s", request.URL, response.StatusCode, codeOf(body)))
	case err != nil:
		return nil, undecided(shortestRetry, err)
	case len(body) > maxAnswer:
		return nil, undecided(shortestRetry, fmt.Errorf("%s: more than %d bytes", request.URL, maxAnswer))
	}
	return body, nil
}

// request is the question about a token, with this server's authentication.
func (v *Verifier) request(ctx context.Context, token string) (*http.Request, error) {
	endpoint := v.config.Endpoint
	if endpoint == "" {
		endpoint = v.endpoint()
	}
	if endpoint == "" {
		return nil, errors.New("the issuer's metadata has no introspection_endpoint; set INTROSPECTION_ENDPOINT")
	}
	// RFC 7662, section 4: a token and a secret are sent there.
	if err := issuerkeys.CheckURL(endpoint); err != nil {
		return nil, fmt.Errorf("the introspection endpoint: %w; set INTROSPECTION_ENDPOINT", err)
	}
	form, header := url.Values{"token": {token}, "token_type_hint": {"access_token"}}, http.Header{}
	if err := v.config.Credentials.Add(v.config.Method, v.rules.Issuer, form, header, v.now()); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	return request, nil
}

// members are those of an answer that are read here; package accesstoken reads
// the claims.
var members = []string{"active", "token_type", "typ", "tokenName", "username", "preferred_username", "iss", "exp", "iat", "jti"}

// kinds are members that say what kind of token it is, and what they say of an
// access token that needs no proof: token_type, which refresh tokens don't have
// (RFC 7662, section 2.2), and those of Keycloak and ForgeRock. All kinds of
// tokens can be asked about.
var kinds = map[string]string{"token_type": "Bearer", "typ": "Bearer", "tokenName": "access_token"}

// read decides what an answer means. A body that is not an answer decides
// nothing.
func (v *Verifier) read(body []byte, key string) (*principal.Principal, error) {
	said, err := strictjson.Members(body, members...)
	if err != nil {
		return nil, undecided(shortestRetry, fmt.Errorf("the answer: %w", err))
	}
	switch string(said["active"]) {
	case "true":
	case "false":
		return nil, ErrInactive
	default:
		return nil, undecided(shortestRetry, errors.New("the answer: active is neither true nor false"))
	}
	for _, name := range Optional {
		if _, present := said[name]; !present && !v.mayOmit(name) {
			return nil, fmt.Errorf("%w: %s; if this issuer never has it in its answers, add it to INTROSPECTION_MAY_OMIT",
				accesstoken.ErrMissingClaim, name)
		}
	}
	for name, want := range kinds {
		if kind, _ := strictjson.String(said[name]); said[name] != nil && !strings.EqualFold(kind, want) {
			return nil, fmt.Errorf("%w: %s is %.32q, want %q", accesstoken.ErrType, name, kind, want)
		}
	}
	v.complete(said, key)
	claims, err := json.Marshal(said)
	if err != nil {
		return nil, undecided(shortestRetry, err)
	}
	return v.rules.VerifyClaims(claims)
}

// complete adds what a JWT has and an answer needn't have: the id, by which a
// request can be traced, and the time of issue; and what this issuer may omit.
func (v *Verifier) complete(said map[string]json.RawMessage, key string) {
	now := v.now().Unix()
	add := func(name string, value any) {
		if _, present := said[name]; !present {
			said[name], _ = json.Marshal(value) // a string or a number
		}
	}
	add("jti", base64.RawURLEncoding.EncodeToString([]byte(key[:16])))
	add("iat", now)
	if name, ok := strictjson.String(said["username"]); ok {
		add("preferred_username", name)
	}
	if v.mayOmit("iss") { // it is the issuer that was asked
		add("iss", v.rules.Issuer)
	}
	if v.mayOmit("aud") { // and says so to its audience alone
		add("aud", v.rules.Audience)
	}
	if v.mayOmit("exp") { // it is active now, and asked about again soon
		add("exp", now+int64(max(v.config.Keep, time.Second).Seconds()))
	}
}

func (v *Verifier) mayOmit(name string) bool { return slices.Contains(v.config.MayOmit, name) }

func (v *Verifier) now() time.Time {
	if v.rules.Now == nil {
		return time.Now()
	}
	return v.rules.Now()
}

func undecided(retry time.Duration, err error) error {
	return &accesstoken.UndecidedError{Err: fmt.Errorf("%w: %w", ErrNoAnswer, err), Retry: retry}
}

// codeOf is the error code in the body of a refusal, for the log (RFC 6749,
// section 5.2).
func codeOf(body []byte) string {
	said, err := strictjson.Members(body)
	if err != nil {
		return ""
	}
	if code, ok := strictjson.String(said["error"]); ok {
		return fmt.Sprintf(", error %.64q", code)
	}
	return ""
}

// retryAfter is how long the issuer wants to be left alone (RFC 9110, section
// 10.2.3), in seconds and within bounds.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	if err != nil {
		return shortestRetry
	}
	return min(max(time.Duration(seconds)*time.Second, shortestRetry), longestRetry)
}
