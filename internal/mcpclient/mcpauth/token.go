package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/syntax"
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
func (t *Token) String() string { return t.Type + " " + Redact(t.Access) }

// GoString does the same for %#v.
func (t *Token) GoString() string { return t.String() }

// fresh reports whether a token is good for a while: half a minute, or a tenth
// of its life where that is less.
func (t *Token) fresh(now time.Time) bool {
	if t.Expires.IsZero() {
		return true
	}
	margin := min(30*time.Second, t.Expires.Sub(t.Issued)/10)
	return now.Add(margin).Before(t.Expires)
}

// momentary reports whether a token had expires_in 0: it is used once.
func (t *Token) momentary() bool { return !t.Expires.IsZero() && !t.Expires.After(t.Issued) }

// tokenRequest is one request to a token endpoint.
type tokenRequest struct {
	endpoint string
	issuer   string
	client   *Registration
	methods  []string // of client authentication that the server supports
	form     url.Values
	proofs   *prover // nil without DPoP
}

// codeForm exchanges a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5). Its
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

// errTokenResponse says that a token response of status 2xx can't be used.
var errTokenResponse = errors.New("the token response can't be used")

// requestToken sends a token request and reads the answer. asked is the scope
// that holds where the answer names none (RFC 6749, section 5.1).
func (t *Transport) requestToken(ctx context.Context, r tokenRequest, asked string) (*Token, error) {
	body, err := t.sendTokenRequest(during(ctx, StageToken), r)
	if err != nil {
		return nil, err
	}
	token, err := parseToken(body, asked, t.now())
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errTokenResponse, r.issuer, err)
	}
	if (r.proofs != nil) != (token.Type == "DPoP") {
		return nil, fmt.Errorf("%w: %s issues a token of type %s, and another type was asked for", errTokenResponse, r.issuer, token.Type)
	}
	if token.momentary() {
		t.observer.note(StageToken, "The token expires at once (expires_in is 0): it is used for one request, and then renewed.")
	}
	return token, nil
}

// sendTokenRequest returns the body of a successful answer. It repeats the
// request once for each of two reasons: the server wants a nonce in the proof
// (RFC 9449, section 8), or client_id beside the credentials in the header.
func (t *Transport) sendTokenRequest(ctx context.Context, r tokenRequest) ([]byte, error) {
	withNonce, withID := false, false
	for {
		response, body, err := t.tryTokenRequest(ctx, r)
		if err != nil {
			return nil, err
		}
		refused := serverError(response.StatusCode, body)
		learned := r.proofs != nil && r.proofs.learn(response.Request.URL, response.Header)
		switch {
		case success(response.StatusCode) && refused.Code == "":
			return body, nil
		case learned && refused.Code == "use_dpop_nonce" && !withNonce:
			withNonce = true
			t.observer.note(StageToken, "The authorization server wants its nonce in the proof: once more, with it.")
		case refused.missesClientID() && r.client.method(r.methods) == clientauth.Basic && !r.client.BasicWithID && !withID:
			withID, r.client.BasicWithID = true, true
			t.observer.note(StageToken, "The authorization server wants client_id in the form as well: once more, with it.")
		default:
			return nil, refused
		}
	}
}

// missesClientID reports whether a refusal says that client_id is missing. Some
// servers want it beside HTTP Basic, and others refuse it there, so it is sent
// to those that ask.
func (e *ServerError) missesClientID() bool {
	says := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(e.Description))
	return (e.Status == http.StatusBadRequest || e.Status == http.StatusUnauthorized) && strings.Contains(says, "client_id")
}

func (t *Transport) tryTokenRequest(ctx context.Context, r tokenRequest) (*http.Response, []byte, error) {
	form := url.Values{}
	for name, values := range r.form {
		form[name] = values
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := r.client.authenticate(r.methods, r.issuer, form, header, t.now()); err != nil {
		return nil, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	request.Header = header
	if r.proofs != nil {
		if err := r.proofs.prove(request, "", t.now()); err != nil {
			return nil, nil, err
		}
	}
	return t.fetch.do(request)
}

// parseToken reads a token response (RFC 6749, section 5.1). An access token is
// opaque to a client: any visible characters (appendix A.12). Of the rest, only
// the type must be understood.
func parseToken(body []byte, asked string, now time.Time) (*Token, error) {
	var document struct {
		Access    string          `json:"access_token"`
		Type      string          `json:"token_type"`
		ExpiresIn json.RawMessage `json:"expires_in"`
		Refresh   text            `json:"refresh_token"`
		Scope     text            `json:"scope"`
	}
	document.Scope = text(asked) // where the answer has none
	if err := unmarshal(body, &document); err != nil {
		return nil, err
	}
	token := &Token{
		Access: document.Access, Refresh: string(document.Refresh), Scope: join(strings.Fields(string(document.Scope))),
		Asked: asked, Issued: now,
	}
	switch {
	case strings.EqualFold(document.Type, "Bearer"): // RFC 6749, section 5.1: in any case
		token.Type = "Bearer"
	case strings.EqualFold(document.Type, "DPoP"):
		token.Type = "DPoP"
	default:
		return nil, fmt.Errorf("token_type %.20q is not supported; want Bearer or DPoP", document.Type)
	}
	if token.Access == "" {
		return nil, errors.New("it has no access_token")
	}
	if !syntax.Visible(token.Access) {
		return nil, errors.New("its access_token has blanks, control characters or non-ASCII characters, and can't be sent in a header")
	}
	if life, ok := lifetime(document.ExpiresIn); ok {
		token.Expires = now.Add(life)
	}
	return token, nil
}

// lifetime reads a number of seconds. What is not one counts as absent: then the server's 401 shows when a token has expired.
func lifetime(raw json.RawMessage) (time.Duration, bool) {
	const year = 365 * 24 * 3600
	seconds, ok := number(raw)
	return time.Duration(min(seconds, year)) * time.Second, ok && seconds >= 0
}

// verdict is what a refused refresh means for the refresh token (MC12).
type verdict int

const (
	// renewed: it was not refused.
	renewed verdict = iota
	// keepIt: the server or the network failed, and a later try may succeed.
	keepIt
	// logIn: the refusal doesn't come from OAuth. The user logs in, and the
	// refresh token is kept until that has succeeded.
	logIn
	// ended: the refresh token is invalid.
	ended
	// unknownClient: the client itself is invalid, and so is the token.
	unknownClient
)

func verdictOf(err error) verdict {
	var e *ServerError
	if err == nil {
		return renewed
	}
	if !errors.As(err, &e) {
		if errors.Is(err, errTokenResponse) {
			return logIn
		}
		return keepIt
	}
	switch {
	case e.Status >= 500, e.Status == http.StatusTooManyRequests, e.Code == "temporarily_unavailable", e.Code == "server_error":
		return keepIt
	case e.unknownClient():
		return unknownClient
	case e.Code != "", e.Status == http.StatusBadRequest, e.Status == http.StatusUnauthorized:
		return ended
	}
	return logIn
}

func (e *ServerError) unknownClient() bool {
	return e.Code == "invalid_client" || e.Code == "unauthorized_client"
}

// serverError reads the error of an answer.
func serverError(status int, body []byte) *ServerError {
	var document struct {
		Error       text `json:"error"`
		Description text `json:"error_description"`
	}
	_ = unmarshal(body, &document)
	e := newServerError(string(document.Error), string(document.Description))
	e.Status = status
	return e
}
