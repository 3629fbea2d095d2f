package mcpauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// A UserAgent takes the user to the authorization server.
type UserAgent interface {
	// Open shows the user an authorization URL, which is http or https and
	// was checked. It may return before the user is done. redirectURI is
	// where the answer is awaited.
	Open(ctx context.Context, authorizationURL, redirectURI string) error
}

// Paster is a [UserAgent] that can also bring the answer.
type Paster interface {
	// Answer returns a redirect URL that reached the user by another way than
	// the listener, such as one that was pasted. It is checked like any other.
	Answer(ctx context.Context) (string, error)
}

// authorizationRequest is what is remembered of a request until its answer
// comes.
type authorizationRequest struct {
	server   *AuthorizationServer
	state    string
	verifier string
	redirect string
}

// newAuthorizationRequest makes a request with a state and a verifier of its
// own.
func newAuthorizationRequest(server *AuthorizationServer, redirectURI string) *authorizationRequest {
	return &authorizationRequest{server: server, state: rand.Text(), verifier: pkce.NewVerifier(), redirect: redirectURI}
}

// url is where the user is sent (RFC 6749, section 4.1.1; RFC 7636, section
// 4.3; RFC 8707, section 2; RFC 9449, section 10).
func (a *authorizationRequest) url(parameters map[string]string) (string, error) {
	u, err := url.Parse(a.server.AuthorizationEndpoint)
	if err != nil {
		return "", fmt.Errorf("%w: authorization_endpoint: %w", ErrURL, err)
	}
	query := u.Query() // the endpoint's own parameters stay (RFC 6749, section 3.1)
	for name, value := range map[string]string{
		"response_type": "code", "redirect_uri": a.redirect, "state": a.state,
		"code_challenge": pkce.Challenge(a.verifier), "code_challenge_method": pkce.Method,
	} {
		query.Set(name, value)
	}
	for name, value := range parameters {
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
			return "", fmt.Errorf("%w: the parameter %.40q appears twice", ErrState, name)
		}
	}
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(a.state)) != 1 {
		return "", ErrState
	}
	switch iss := answer.Get("iss"); {
	case answer.Has("iss") && iss != a.server.Issuer:
		// No normalization: a URL with one more slash is another issuer.
		return "", fmt.Errorf("%w: %s was asked, and the answer names %.200q", ErrIssuer, a.server.Issuer, iss)
	case !answer.Has("iss") && a.server.IssParameter:
		return "", fmt.Errorf("%w: %s promises iss in its answers, and this answer has none", ErrIssuer, a.server.Issuer)
	}
	if answer.Has("error") {
		return "", newServerError(answer.Get("error"), answer.Get("error_description"))
	}
	if code = answer.Get("code"); code == "" {
		return "", errors.New("the answer at the callback has neither a code nor an error")
	}
	return code, nil
}

const (
	// maxWindows bounds how often the user is sent to the browser within
	// windowPeriod: a server could ask for one more scope after each login.
	maxWindows   = 4
	windowPeriod = 10 * time.Minute
)

// openWindow takes one login out of the budget.
func (t *Transport) openWindow() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for len(t.windows) > 0 && now.Sub(t.windows[0]) >= windowPeriod {
		t.windows = t.windows[1:]
	}
	if len(t.windows) == maxWindows {
		return fmt.Errorf("%w: this server has caused %d logins within %s; the next one is possible at %s",
			ErrWindows, maxWindows, windowPeriod, t.windows[0].Add(windowPeriod).Format(time.TimeOnly))
	}
	t.windows = append(t.windows, now)
	return nil
}

// askUser sends the user to the authorization server and waits for the answer.
// What arrives with another state is turned away, and the wait goes on: anybody
// who can reach the port can send it.
func (t *Transport) askUser(
	ctx context.Context, listener *listener, request *authorizationRequest, target string,
) (code string, err error) {
	ctx, cancel := context.WithCancel(during(ctx, StageAuthorize))
	defer cancel()
	// The endpoint was checked when it was found.
	if err := checkOpenable(target); err != nil {
		return "", err
	}
	if err := t.openWindow(); err != nil {
		return "", err
	}
	disbelieved := t.disbelieved(request)
	listener.home = cmp.Or(t.config.Home, defaultHome)
	answers := listener.serve(request, disbelieved)
	pasted := make(chan outcome)
	if paster, ok := t.config.Agent.(Paster); ok {
		go t.awaitPasted(ctx, paster, request, pasted, disbelieved)
	}
	t.showBrowser(target)
	if err := t.config.Agent.Open(ctx, target, request.redirect); err != nil {
		return "", &openError{err}
	}
	var got outcome
	select {
	case got = <-answers:
	case got = <-pasted:
	case <-ctx.Done():
		return "", fmt.Errorf("%w: no answer came to %s: %w", ErrNoAnswer, request.redirect, ctx.Err())
	}
	t.showAnswer(request, got)
	return got.code, got.err
}

// maxDisbelieved bounds what is said of answers that are not believed: any page
// can send them.
const maxDisbelieved = 3

// disbelieved tells the user of an answer that was turned away. It may come from
// a server that forgot the state, and then the user would wait in vain.
func (t *Transport) disbelieved(request *authorizationRequest) func(url.Values) {
	said := make(chan struct{}, maxDisbelieved)
	return func(answer url.Values) {
		select {
		case said <- struct{}{}:
		default:
			return
		}
		text := "Something came to " + request.redirect + " that is not believed: it does not have the state of this request."
		if code := printable(answer.Get("error"), 80); code != "" {
			text += fmt.Sprintf(" It says error %q, %q.", code, printable(answer.Get("error_description"), 200))
		}
		t.observer.alert(StageAuthorize, text+" Still waiting for the answer of "+request.server.Issuer+".")
	}
}

// awaitPasted takes answers from the user agent. One that is not for this
// request is turned away, as at the listener.
func (t *Transport) awaitPasted(
	ctx context.Context, paster Paster, request *authorizationRequest, answers chan<- outcome, disbelieved func(url.Values),
) {
	for {
		raw, err := paster.Answer(ctx)
		if err != nil {
			return
		}
		got := request.read(strings.TrimSpace(raw))
		if got.query == nil {
			t.observer.alert(StageAuthorize, "That is not the address that the browser was sent to. It begins with "+request.redirect+"?")
			continue
		}
		if errors.Is(got.err, ErrState) {
			disbelieved(got.query)
			continue
		}
		select {
		case answers <- got:
		case <-ctx.Done():
		}
		return
	}
}

// read takes a redirect URL apart. Its query is nil where it isn't one.
func (a *authorizationRequest) read(raw string) (got outcome) {
	u, err := url.Parse(raw)
	if err != nil || !strings.HasPrefix(raw, a.redirect+"?") {
		return outcome{err: ErrState}
	}
	got.query = u.Query()
	got.code, got.err = a.check(got.query)
	return got
}

func (t *Transport) showBrowser(target string) {
	u, err := url.Parse(target)
	if err != nil {
		return
	}
	t.observer.tell(Event{Stage: StageAuthorize, Exchange: &Exchange{From: "browser", Method: "GET", URL: redactURL(u), Receiver: u.Host}})
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
	shown := &Exchange{From: "browser", Method: "GET", URL: redactURL(u), Receiver: "client", Status: 200}
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
	s = strings.Join(strings.Fields(plaintext.Line(s)), " ")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}

// openError says that the user could not be shown the authorization page.
type openError struct{ err error }

func (e *openError) Error() string { return "the authorization page can't be opened: " + e.err.Error() }
func (e *openError) Unwrap() error { return e.err }
