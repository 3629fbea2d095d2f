package mcpauth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Transport adds authorization to the requests of an MCP client to one server.
// It is an http.RoundTripper for any number of goroutines: requests that need
// authorization at the same time share one flow.
//
// Requests to other URLs pass without a token, and a redirect of the server is
// an error: a token is for the server that it was asked for, and for nobody to
// whom that server points (MC12).
type Transport struct {
	config   Config
	server   *url.URL
	base     http.RoundTripper
	fetch    *fetcher
	observer *observer
	store    Store

	mu       sync.Mutex
	session  session
	flowing  *flight // nil while there is none
	renewing *flight // likewise
	failure  failure
	lastErr  error             // of a request that ended for lack of authorization
	hopeless map[string]*Token // by scope: the token that a step-up for it led to, in vain
}

const (
	// maxBody is the largest request that can be sent again after a flow, in
	// bytes.
	maxBody = 16 << 20
	// maxFlows bounds the flows that one request may start.
	maxFlows = 2
	// maxStepUps bounds the step-ups that one request may start.
	maxStepUps = 2
	// coolDown is how long a flow that failed is not begun again: MCP clients
	// try twice and in two protocol versions, and a user who has said no must
	// not be asked four times.
	coolDown = 10 * time.Second
	// defaultTimeout bounds a flow.
	defaultTimeout = 5 * time.Minute
)

// New makes a Transport. It uses what the store has for the server.
func New(config Config) (*Transport, error) {
	server, err := checkServer(config.Server)
	if err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.Name == "" {
		config.Name = "Auth Step By Step"
	}
	if config.Callback == "" {
		config.Callback = "http://127.0.0.1:0/callback"
	}
	if config.Store == nil {
		config.Store = &memoryStore{}
	}
	if config.Base == nil {
		config.Base = http.DefaultTransport.(*http.Transport).Clone()
	}
	if config.Grant == nil && config.Agent == nil {
		return nil, errors.New("mcpauth: a client needs a user agent, or a grant without a user")
	}
	if config.Grant != nil && config.PreRegistered == nil {
		return nil, fmt.Errorf("%w: a grant without a user needs a client that the authorization server knows", ErrRegistration)
	}
	o := &observer{trace: config.Trace, now: config.Now}
	t := &Transport{
		config: config, server: server, observer: o, store: config.Store, hopeless: map[string]*Token{},
		base: &tracedTransport{next: config.Base, observer: o}, fetch: newFetcher(config, o),
	}
	return t, t.resume()
}

func (t *Transport) now() time.Time { return t.config.Now() }

// RoundTrip sends a request to the MCP server with a token, and does what its
// answer asks for.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !t.isServer(request.URL) {
		return t.base.RoundTrip(request)
	}
	body, err := drain(request)
	if err != nil {
		return nil, err
	}
	attempt := &attempt{}
	for {
		s, err := t.ready(request.Context())
		if err != nil {
			return nil, t.remember(err)
		}
		response, err := t.send(request, body, s)
		if errors.Is(err, ErrRedirect) {
			return nil, t.remember(err)
		}
		if err != nil {
			return nil, err
		}
		again, err := t.react(request.Context(), response, s, attempt)
		if err != nil || again {
			discard(response)
			if err != nil {
				return nil, t.remember(err)
			}
			continue
		}
		switch {
		case response.StatusCode < 400:
			_ = t.remember(nil)
		case response.StatusCode == http.StatusForbidden:
			_ = t.remember(denied(response))
		}
		return response, nil
	}
}

// Err returns why the last request that ended for lack of authorization did, or
// nil if one has succeeded since. MCP clients that fall back to another protocol
// version report how that went, and not why it had to be tried.
func (t *Transport) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastErr
}

func (t *Transport) remember(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr = err
	return err
}

// denied reads why a server refuses a request for good. The answer itself goes
// to the MCP client, which often can't tell what it says.
func denied(response *http.Response) error {
	body, err := readAll(response.Body)
	response.Body = readAgain(body, response.Body, err)
	why := serverError(response.StatusCode, body)
	return fmt.Errorf("%w: %s (%s)", ErrDenied, cmp.Or(why.Description, "it does not say why"), why.Code)
}

// CloseIdleConnections closes those to the MCP server and to what it named.
func (t *Transport) CloseIdleConnections() {
	t.fetch.client.CloseIdleConnections()
	if closer, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// isServer tells whether a URL is the one that the user gave. Another path at
// the same host may be another server.
func (t *Transport) isServer(u *url.URL) bool {
	return origin(u) == origin(t.server) && pathOf(u) == pathOf(t.server)
}

// pathOf is the path as it is sent: an empty one is "/" (RFC 9110, section
// 4.2.3).
func pathOf(u *url.URL) string { return cmp.Or(u.EscapedPath(), "/") }

func drain(request *http.Request) ([]byte, error) {
	if request.Body == nil {
		return nil, nil
	}
	defer func() { _ = request.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(request.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("mcpauth: the request is too large to be sent again")
	}
	return body, err
}

// discard ends an answer that is not handed on, so that its connection can be
// used again.
func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	_ = response.Body.Close()
}

// send puts the token into the Authorization header of a copy (MC12): a client
// that follows redirects copies the headers of the original.
func (t *Transport) send(request *http.Request, body []byte, s session) (*http.Response, error) {
	sent := request.Clone(during(request.Context(), StageRequest))
	if body != nil {
		sent.Body = io.NopCloser(bytes.NewReader(body))
		sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		sent.ContentLength = int64(len(body))
	}
	if token := s.token(); token != nil {
		sent.Header.Set("Authorization", token.Type+" "+token.Access)
		if s.proofs != nil {
			if err := s.proofs.prove(sent, token.Access, t.now()); err != nil {
				return nil, err
			}
		}
	}
	response, err := t.base.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	if location := response.Header.Get("Location"); response.StatusCode/100 == 3 && location != "" {
		discard(response)
		return nil, fmt.Errorf("%w to %.200q, and is not followed: a token is for one server. If that is where it is now, give that URL", ErrRedirect, location)
	}
	return response, nil
}

// attempt counts what one request has caused.
type attempt struct {
	nonces, flows, stepUps int
}

// react does what an answer asks for, and tells whether the request is to be
// sent again.
func (t *Transport) react(ctx context.Context, response *http.Response, s session, a *attempt) (again bool, err error) {
	fresh := s.proofs != nil && s.proofs.learn(t.server, response.Header)
	if response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden {
		return false, nil
	}
	challenge := FindChallenge(response.Header)
	code := challenge.Params["error"]
	switch {
	case response.StatusCode == http.StatusUnauthorized && code == "use_dpop_nonce" && fresh && a.nonces < 2:
		a.nonces++
		t.observer.note(StageRequest, "The server wants its nonce in the proof: once more, with it (RFC 9449, section 9).")
		return true, nil
	case response.StatusCode == http.StatusUnauthorized:
		if a.flows++; a.flows > maxFlows {
			return false, fmt.Errorf("%w: it answers 401 to a token that was just made for it; its audience, issuer or clock may be wrong", ErrRefused)
		}
		return true, t.authorize(ctx, reason{challenge: challenge, refused: s.token(), anew: a.flows > 1, dpop: takesDPoP(response.Header)})
	case code == "insufficient_scope":
		return t.stepUp(ctx, challenge, s, a)
	}
	return false, nil // a 403 that no token can mend
}
