package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Token is an access token with what belongs to it.
type Token struct {
	Access  string    `json:"access_token"`
	Type    string    `json:"token_type"` // "Bearer" or "DPoP"
	Refresh string    `json:"refresh_token,omitempty"`
	Scope   string    `json:"scope,omitempty"`    // what was granted
	Asked   string    `json:"asked,omitempty"`    // what was asked for
	Expires time.Time `json:"expires,omitzero"`   // zero where the server doesn't say
	Issued  time.Time `json:"issued_at,omitzero"` // by our clock
}

// String shows that a token is there, and not which.
func (t *Token) String() string { return t.Type + " " + Shorten(t.Access) }

// GoString does the same for %#v.
func (t *Token) GoString() string { return t.String() }

// fresh tells whether a token is good for a while: half a minute, or a tenth
// of its life where that is less.
func (t *Token) fresh(now time.Time) bool {
	if t.Expires.IsZero() {
		return true
	}
	margin := min(30*time.Second, t.Expires.Sub(t.Issued)/10)
	return now.Add(margin).Before(t.Expires)
}

// tokenRequest is one request to a token endpoint.
type tokenRequest struct {
	endpoint string
	issuer   string
	client   *Registration
	methods  []string // of client authentication that the server supports
	form     url.Values
	proofs   *prover // nil without DPoP
}

// codeForm redeems a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5). Its
// resource is that of the authorization request (MC08; RFC 8707, section 2.2).
func codeForm(request *authorizationRequest, code, resource string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {request.redirect},
		"code_verifier": {request.verifier}, "resource": {resource},
	}
}

// refreshForm renews a token with the scope that it has (RFC 6749, section 6).
func refreshForm(refresh, resource string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "resource": {resource}}
}

// requestToken sends a token request and reads the answer. asked is the scope
// that holds where the answer names none (RFC 6749, section 5.1).
func (t *Transport) requestToken(ctx context.Context, r tokenRequest, asked string) (*Token, error) {
	ctx = during(ctx, StageToken)
	// A server that wants a nonce says so in its first answer (RFC 9449,
	// section 8); more than once, and something is wrong.
	for try := 0; ; try++ {
		status, body, wantsNonce, err := t.sendTokenRequest(ctx, r)
		if err != nil {
			return nil, err
		}
		if wantsNonce && try == 0 {
			t.observer.note(StageToken, "The authorization server wants its nonce in the proof: once more, with it.")
			continue
		}
		if status != http.StatusOK {
			return nil, serverError(status, body)
		}
		token, err := parseToken(body, asked, t.now())
		if err != nil {
			return nil, fmt.Errorf("the token response of %s can't be used: %w", r.issuer, err)
		}
		if (r.proofs != nil) != (token.Type == "DPoP") {
			return nil, fmt.Errorf("%s gives out a token of type %s, which is not what it was asked for", r.issuer, token.Type)
		}
		return token, nil
	}
}

func (t *Transport) sendTokenRequest(ctx context.Context, r tokenRequest) (status int, body []byte, wantsNonce bool, err error) {
	form := url.Values{}
	for name, values := range r.form {
		form[name] = values
	}
	header := http.Header{}
	if err := r.client.authenticate(r.methods, r.issuer, form, header, t.now()); err != nil {
		return 0, nil, false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, false, fmt.Errorf("%w: %w", ErrURL, err)
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Accept", "application/json")
	request.Header = header
	if r.proofs != nil {
		if err := r.proofs.prove(request, "", t.now()); err != nil {
			return 0, nil, false, err
		}
	}
	response, err := t.fetch.client.Do(request)
	if err != nil {
		return 0, nil, false, err
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = readAll(response.Body); err != nil {
		return 0, nil, false, err
	}
	if r.proofs != nil && r.proofs.learn(request.URL, response.Header) && response.StatusCode >= 400 {
		wantsNonce = serverError(response.StatusCode, body).Code == "use_dpop_nonce"
	}
	return response.StatusCode, body, wantsNonce, nil
}

// b68 is what a token may consist of in an Authorization header (RFC 6750,
// section 2.1). What else a server sent could end the header.
var b68 = regexp.MustCompile(`^[A-Za-z0-9\-._~+/]+=*$`)

func parseToken(body []byte, asked string, now time.Time) (*Token, error) {
	var document struct {
		Access    string          `json:"access_token"`
		Type      string          `json:"token_type"`
		ExpiresIn json.RawMessage `json:"expires_in"`
		Refresh   string          `json:"refresh_token"`
		Scope     *string         `json:"scope"`
	}
	if err := unmarshal(body, &document); err != nil {
		return nil, err
	}
	token := &Token{Access: document.Access, Refresh: document.Refresh, Scope: asked, Asked: asked, Issued: now}
	switch {
	case strings.EqualFold(document.Type, "Bearer"): // RFC 6749, section 5.1: in any case
		token.Type = "Bearer"
	case strings.EqualFold(document.Type, "DPoP"):
		token.Type = "DPoP"
	default:
		return nil, fmt.Errorf("token_type %.20q is unknown here", document.Type)
	}
	if !b68.MatchString(token.Access) {
		return nil, errors.New("it has no access_token that fits into a header")
	}
	if document.Scope != nil {
		scopes, err := scopeList(strings.Fields(*document.Scope))
		if err != nil {
			return nil, err
		}
		token.Scope = join(scopes)
	}
	if len(document.ExpiresIn) > 0 && string(document.ExpiresIn) != "null" {
		seconds, err := expiresIn(document.ExpiresIn)
		if err != nil {
			return nil, err
		}
		token.Expires = now.Add(seconds)
	}
	return token, nil
}

// expiresIn reads a number of seconds. Some servers quote it.
func expiresIn(raw json.RawMessage) (time.Duration, error) {
	var seconds json.Number
	if err := json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &seconds); err != nil {
		return 0, errors.New("expires_in is no number")
	}
	n, err := seconds.Float64()
	if err != nil || n < 0 {
		return 0, errors.New("expires_in is no number of seconds")
	}
	const year = 365 * 24 * 3600
	return time.Duration(min(n, year)) * time.Second, nil
}

// lost tells errors after which credentials are worth nothing, so that the flow
// begins anew (MC12): the grant, or the client itself.
func lost(err error) (grant, client bool) {
	var e *ServerError
	if !errors.As(err, &e) {
		return false, false
	}
	return e.Code == "invalid_grant", slices.Contains([]string{"invalid_client", "unauthorized_client"}, e.Code)
}
