package mcpauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// A UserAgent takes the user to the authorization server.
type UserAgent interface {
	// Open shows the user an authorization URL, which is http or https and
	// was checked. It may return before the user is done. redirectURI is
	// where the answer is awaited.
	Open(ctx context.Context, authorizationURL, redirectURI string) error
	// Answer returns a redirect URL that reached the user by another way than
	// the listener, such as one that was pasted. It is checked like any
	// other. An agent that has none blocks until ctx is done.
	Answer(ctx context.Context) (string, error)
}

// authorizationRequest is what is remembered of a request until its answer
// comes.
type authorizationRequest struct {
	server   *Server
	state    string
	verifier string
	redirect string
}

// newSecret returns 256 random bits (RFC 7636, section 7.1).
func newSecret() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // which never fails
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// newAuthorizationRequest makes a request with a state and a verifier of its
// own.
func newAuthorizationRequest(server *Server, redirectURI string) *authorizationRequest {
	return &authorizationRequest{server: server, state: newSecret(), verifier: newSecret(), redirect: redirectURI}
}

// url is where the user is sent (RFC 6749, section 4.1.1; RFC 7636, section
// 4.3; RFC 8707, section 2; RFC 9449, section 10).
func (a *authorizationRequest) url(clientID, resource, scope, thumbprint string) (string, error) {
	u, err := url.Parse(a.server.AuthorizationEndpoint)
	if err != nil {
		return "", fmt.Errorf("%w: authorization_endpoint: %w", ErrURL, err)
	}
	query := u.Query() // the endpoint's own parameters stay (RFC 6749, section 3.1)
	for name, value := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": a.redirect, "state": a.state,
		"code_challenge": challengeOf(a.verifier), "code_challenge_method": "S256", "resource": resource,
		"scope": scope, "dpop_jkt": thumbprint,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// check takes the answer to the request apart and returns the code (MC10). The
// order matters: nothing of an answer counts before the state shows that it
// belongs to this request, and not even its error is shown before iss shows
// whose it is (RFC 9207, section 2.4).
func (a *authorizationRequest) check(answer url.Values) (code string, err error) {
	for name, values := range answer {
		if len(values) > 1 {
			return "", fmt.Errorf("%w: %.40q is in it twice", ErrState, name)
		}
	}
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(a.state)) != 1 {
		return "", ErrState
	}
	switch iss := answer.Get("iss"); {
	case answer.Has("iss") && iss != a.server.Issuer:
		// No normalization: a slash more is another issuer.
		return "", fmt.Errorf("%w: %s was asked, and %.200q answers", ErrIssuer, a.server.Issuer, iss)
	case !answer.Has("iss") && a.server.IssParameter:
		return "", fmt.Errorf("%w: %s promises to name itself in its answers, and this one names nobody", ErrIssuer, a.server.Issuer)
	}
	if answer.Has("error") {
		return "", newServerError(answer.Get("error"), answer.Get("error_description"))
	}
	if code = answer.Get("code"); code == "" {
		return "", errors.New("the answer has neither a code nor an error")
	}
	return code, nil
}

// askUser sends the user to the authorization server and waits for the answer.
// What arrives with another state is turned away, and the wait goes on: it may
// come from anybody who can reach the port.
func (t *Transport) askUser(ctx context.Context, listener *listener, request *authorizationRequest, target string) (code string, err error) {
	ctx, cancel := context.WithCancel(during(ctx, StageAuthorize))
	defer cancel()
	// The endpoint was checked when it was found.
	if err := checkOpenable(target); err != nil {
		return "", err
	}
	answers := listener.serve(request)
	pasted := make(chan outcome)
	go t.awaitPasted(ctx, request, pasted)
	t.showBrowser("GET", target)
	if err := t.config.Agent.Open(ctx, target, request.redirect); err != nil {
		return "", &openError{err}
	}
	var got outcome
	select {
	case got = <-answers:
	case got = <-pasted:
	case <-ctx.Done():
		return "", fmt.Errorf("nobody answered at %s: %w", request.redirect, ctx.Err())
	}
	t.showAnswer(request, got)
	return got.code, got.err
}

// awaitPasted takes answers from the user agent. One that is not for this
// request is turned away, as at the listener.
func (t *Transport) awaitPasted(ctx context.Context, request *authorizationRequest, answers chan<- outcome) {
	for {
		raw, err := t.config.Agent.Answer(ctx)
		if err != nil {
			return
		}
		got := outcome{}
		if u, err := url.Parse(strings.TrimSpace(raw)); err != nil || !strings.HasPrefix(strings.TrimSpace(raw), request.redirect+"?") {
			got.err = ErrState
		} else {
			got.query = u.Query()
			got.code, got.err = request.check(got.query)
		}
		if errors.Is(got.err, ErrState) {
			t.observer.note(StageAuthorize, "That is no answer to this request. It must begin with "+request.redirect+"? and be the one that this request led to.")
			continue
		}
		select {
		case answers <- got:
		case <-ctx.Done():
		}
		return
	}
}

func (t *Transport) showBrowser(method, target string) {
	u, err := url.Parse(target)
	if err != nil {
		return
	}
	t.observer.tell(Event{Stage: StageAuthorize, Exchange: &Exchange{From: "browser", Method: method, URL: shortenURL(u), Receiver: u.Host}})
}

func (t *Transport) showAnswer(request *authorizationRequest, got outcome) {
	if got.query == nil {
		return
	}
	u, err := url.Parse(request.redirect)
	if err != nil {
		return
	}
	u.RawQuery = got.query.Encode()
	shown := &Exchange{From: "browser", Method: "GET", URL: shortenURL(u), Receiver: "client", Status: 200}
	if got.err != nil {
		shown.Status = 400
		shown.Error = got.err.Error()
	}
	t.observer.tell(Event{Stage: StageAuthorize, Exchange: shown})
}

// newServerError keeps of an error what may be shown: it is text that another
// party chose.
func newServerError(code, description string) *ServerError {
	return &ServerError{Code: printable(code, 80), Description: printable(description, 300)}
}

// printable is another party's text on one line, and not too long.
func printable(s string, limit int) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}

// openError says that the user could not be shown the authorization page.
type openError struct{ err error }

func (e *openError) Error() string { return "the authorization URL can't be opened: " + e.err.Error() }
func (e *openError) Unwrap() error { return e.err }
