// Package upstream lets users log in at somebody else's OpenID provider, for an
// authorization server that stands in front of it: the relying party of OpenID
// Connect Core 1.0, section 3.1, with PKCE (RFC 7636) and the issuer in responses
// (RFC 9207).
//
// It says who the user is, whether the user may log in, and which roles the user
// has. It keeps nothing: the tokens of the provider are read once, and no other
// code sees them.
//
//	settings, err := upstream.Read("google-upstream.env", os.Getenv, log)
//	provider := upstream.Start(ctx, settings, "https://auth.example/callback", time.Now)
//	attempt, location, err := provider.Begin(state, upstream.Ask{})
//	user, err := provider.Finish(ctx, attempt, r.URL.Query())
package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// What can go wrong with a login. The text of errors is for logs.
var (
	ErrAway       = errors.New("the provider can't be used now")
	ErrCancelled  = errors.New("the provider says that access was denied")
	ErrNotAllowed = errors.New("the user may not log in here")
	ErrClaim      = errors.New("the ID token lacks a claim")
	ErrResponse   = errors.New("the provider's answer was refused")
)

const (
	maxAnswer = 64 << 10 // bytes of a token response
	maxCode   = 4 << 10  // bytes of a code
	leeway    = time.Minute
)

// Provider is a provider at which users log in. Nobody can until its metadata and
// keys were fetched.
type Provider struct {
	settings *Settings
	redirect string
	source   source
	client   *http.Client
	reader   *issuerkeys.Reader
	now      func() time.Time
}

// source is what an [issuerkeys.Source] knows of the provider.
type source interface {
	jws.KeySource
	Metadata() *issuerkeys.Metadata
}

// Start begins to fetch the provider's metadata and keys, and goes on in the
// background until ctx ends. redirect is the redirect URI that is registered at
// the provider.
func Start(ctx context.Context, s *Settings, redirect string, now func() time.Time) *Provider {
	config := issuerkeys.Config{
		Issuer: s.tokenIssuer(), Address: s.Issuer, Algorithms: s.Algorithms, MinInterval: issuerkeys.DefaultMinInterval,
		Setting: "UPSTREAM_ISSUER",
	}
	client := issuerkeys.NewClient()
	return &Provider{
		settings: s, redirect: redirect, source: issuerkeys.Start(ctx, config), client: client,
		reader: issuerkeys.NewReader(config, client), now: now,
	}
}

// Settings are those that the provider was started with.
func (p *Provider) Settings() *Settings { return p.settings }

// Attempt is a login that has begun. The caller keeps it where the browser that
// began the login can't see it, and uses it once.
type Attempt struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
	Began    int64  `json:"began"`    // Unix seconds
	Fresh    bool   `json:"fresh,omitempty"`
}

// Ask is what a login has to be.
type Ask struct {
	Fresh  bool // the user must log in, even if the provider remembers the user
	Choose bool // the user must be able to choose an account
}

// Begin starts a login, and returns where the browser has to go. state must be a
// secret that can't be guessed. The error is [ErrAway].
func (p *Provider) Begin(state, nonce string, ask Ask) (Attempt, string, error) {
	about, err := p.endpoints()
	if err != nil {
		return Attempt{}, "", err
	}
	attempt := Attempt{Nonce: nonce, Verifier: pkce.NewVerifier(), Began: p.now().Unix(), Fresh: ask.Fresh}
	query := about.authorization.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": p.settings.Client.ID, "redirect_uri": p.redirect,
		"scope": strings.Join(p.settings.Scopes, " "), "state": state, "nonce": nonce,
		"code_challenge": pkce.Challenge(attempt.Verifier), "code_challenge_method": pkce.Method,
		"prompt": p.settings.prompt(ask),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	to := *about.authorization
	to.RawQuery = query.Encode()
	return attempt, to.String(), nil
}

// prompt is the parameter of OpenID Connect Core 1.0, section 3.1.2.1. Google has
// no prompt=login.
func (s *Settings) prompt(ask Ask) string {
	switch {
	case ask.Fresh && s.Dialect != Google:
		return "login"
	case ask.Fresh, ask.Choose:
		return "select_account"
	}
	return ""
}

// endpoints are what is used of the provider's metadata.
type endpoints struct {
	issuer               string
	authorization, token *url.URL
	promisesIssuer       bool // in authorization responses (RFC 9207, section 3)
}

// endpoints reads the metadata (OpenID Connect Discovery 1.0, section 3).
func (p *Provider) endpoints() (*endpoints, error) {
	found := p.source.Metadata()
	if found == nil {
		return nil, fmt.Errorf("%w: its metadata has not been fetched yet", ErrAway)
	}
	const authorization, token, promise = "authorization_endpoint", "token_endpoint", "authorization_response_iss_parameter_supported"
	members, err := strictjson.Members(found.Body, "issuer", authorization, token, promise)
	if err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrAway, err)
	}
	about := &endpoints{promisesIssuer: string(members[promise]) == "true"}
	about.issuer, _ = strictjson.String(members["issuer"])
	for name, into := range map[string]**url.URL{authorization: &about.authorization, token: &about.token} {
		text, _ := strictjson.String(members[name])
		inside, err := p.reader.Inside(text)
		if err == nil {
			*into, err = url.Parse(inside)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: metadata: %s: %w", ErrAway, name, err)
		}
	}
	return about, nil
}

// Finish reads the provider's answer to a login, which came with the browser, and
// returns who logged in. Its order is: is the answer from this provider, does it
// have a code, and what does the ID token say that the code is exchanged for. If
// the error is [ErrNotAllowed], the user beside it has a subject alone.
func (p *Provider) Finish(ctx context.Context, attempt Attempt, answer url.Values) (*User, error) {
	about, err := p.endpoints()
	if err != nil {
		return nil, err
	}
	code, err := readAnswer(answer, about)
	if err != nil {
		return nil, err
	}
	token, err := p.exchange(ctx, about, code, attempt.Verifier)
	if err != nil {
		return nil, err
	}
	claims, err := p.verify(ctx, token, attempt)
	if err != nil {
		return nil, err
	}
	return p.settings.userOf(claims)
}

// readAnswer takes the code out of an authorization response (OpenID Connect
// Core 1.0, sections 3.1.2.5 and 3.1.2.6; RFC 9207, section 2.4).
func readAnswer(answer url.Values, about *endpoints) (code string, err error) {
	for _, name := range []string{"code", "error", "iss", "state"} {
		if len(answer[name]) > 1 {
			return "", fmt.Errorf("%w: %s comes twice", ErrResponse, name)
		}
	}
	switch from := answer.Get("iss"); {
	case from != "" && from != about.issuer:
		return "", fmt.Errorf("%w: iss is %.100q, want %q", ErrResponse, from, about.issuer)
	case from == "" && about.promisesIssuer:
		return "", fmt.Errorf("%w: it has no iss, which the provider's metadata promises", ErrResponse)
	}
	code = answer.Get("code")
	switch refused := answer.Get("error"); {
	case refused == "access_denied":
		return "", ErrCancelled
	case refused == "temporarily_unavailable" || refused == "server_error":
		return "", fmt.Errorf("%w: it says %s", ErrAway, refused)
	case refused != "":
		return "", fmt.Errorf("%w: it says %.40q: %.200q", ErrResponse, refused, answer.Get("error_description"))
	case code == "" || len(code) > maxCode:
		return "", fmt.Errorf("%w: it has no code, or one of more than %d bytes", ErrResponse, maxCode)
	}
	return code, nil
}

// exchange gets the ID token for a code (OpenID Connect Core 1.0, section 3.1.3).
// What else the provider sends with it is dropped here.
func (p *Provider) exchange(ctx context.Context, about *endpoints, code, verifier string) (idToken string, err error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {verifier},
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := p.settings.Client.Add(p.settings.Method, about.issuer, form, header, p.now()); err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, about.token.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header = header
	response, err := p.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAway, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrAway, err)
	case len(body) > maxAnswer:
		return "", fmt.Errorf("%w: the token response has more than %d bytes", ErrResponse, maxAnswer)
	case response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests:
		return "", fmt.Errorf("%w: its token endpoint answers with status %d", ErrAway, response.StatusCode)
	}
	members, err := strictjson.Members(body, "id_token", "error")
	if err != nil {
		return "", fmt.Errorf("%w: the token response with status %d: %w", ErrResponse, response.StatusCode, err)
	}
	token, ok := strictjson.String(members["id_token"])
	if response.StatusCode != http.StatusOK || !ok {
		refused, _ := strictjson.String(members["error"])
		return "", fmt.Errorf("%w: the token response has status %d, error %.40q, and no ID token", ErrResponse, response.StatusCode, refused)
	}
	return token, nil
}

// tokenIssuer is the issuer as the provider's metadata states it. Entra's for
// several tenants is a template.
func (s *Settings) tokenIssuer() string {
	if !s.severalTenants() {
		return s.Issuer
	}
	return entraTenant.ReplaceAllString(s.Issuer, "${1}{tenantid}${3}")
}

func (s *Settings) severalTenants() bool {
	return slices.Contains([]string{"common", "organizations"}, s.tenant())
}

// tenant is that of an issuer of Entra. Other issuers have none.
func (s *Settings) tenant() string {
	match := entraTenant.FindStringSubmatch(s.Issuer)
	if s.Dialect != Entra || match == nil {
		return ""
	}
	return match[2]
}
