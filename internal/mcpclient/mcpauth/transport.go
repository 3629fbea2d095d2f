package mcpauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
)

// Transport adds authorization to the requests of an MCP client to one server.
// It is an http.RoundTripper for any number of goroutines: requests that need
// authorization at the same time share one flow.
//
// Requests to other URLs pass without a token, and a redirect of the server is
// an error: a token is for the server that it was asked for, and for no server
// to which that one points (MC12).
type Transport struct {
	config   Config
	server   *url.URL // of the MCP server, as of parseResourceURL
	base     http.RoundTripper
	fetch    *fetcher
	observer *observer
	store    Store

	mu            sync.Mutex
	session       session
	flowing       *flight // nil while there is none
	renewing      *flight // likewise
	failure       failure
	lastErr       error             // why the last request ended without an answer that helps
	failedStepUps map[string]*Token // by scope: the token that a step-up for it led to, in vain
	untried       *Token            // that a login or a grant has brought, until the server takes it
	unused        *Token            // that is new, until it is sent
	windows       []time.Time       // when the user was sent to the browser
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
	// refusedFor is how long no new token is got after a server has refused one
	// that a login had just brought: another login would not help.
	refusedFor = 5 * time.Minute
	// defaultTimeout bounds a flow, and an answer of the server.
	defaultTimeout = 5 * time.Minute
)

// New makes a Transport. It uses what the store has for the server.
func New(config Config) (*Transport, error) {
	server, err := parseResourceURL(config.ResourceURL)
	if err != nil {
		return nil, err
	}
	if config.Grant == nil && config.Agent == nil {
		return nil, errors.New("mcpauth: a client needs a user agent, or a grant without a user")
	}
	if config.Grant != nil && config.PreRegistered == nil {
		return nil, fmt.Errorf("%w: a grant without a user needs a client that the authorization server knows", ErrRegistration)
	}
	config.ResourceURL = server.String()
	config.Name = cmp.Or(config.Name, "Auth Step By Step")
	config.Timeout = cmp.Or(config.Timeout, defaultTimeout)
	config.AnswerTimeout = cmp.Or(config.AnswerTimeout, defaultTimeout)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Store == nil {
		config.Store = &memoryStore{}
	}
	if config.Base == nil {
		config.Base = newBase(server)
	}
	o := &observer{trace: config.Trace, now: config.Now}
	base := &tracedTransport{next: &limitedTransport{config.Base, config.AnswerTimeout, refusalTimeout}, observer: o}
	t := &Transport{
		config: config, server: server, observer: o, store: config.Store, failedStepUps: map[string]*Token{},
		base: base, fetch: newFetcher(config, server, o),
	}
	if config.Proxy != nil {
		o.alert(StageRequest, "All requests go through the proxy. It chooses the addresses, so they are not checked here.")
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
	response, err := t.deliver(request, body)
	why := err
	if err == nil {
		why = t.problem(response)
	}
	// A refusal such as 400 explains nothing, and other methods only ask for what
	// a server may not have.
	if request.Method == http.MethodPost && (why != nil || response.StatusCode < 400) {
		t.mu.Lock()
		t.lastErr = why
		t.mu.Unlock()
	}
	return response, err
}

// deliver sends a request until its answer needs nothing more to be done.
func (t *Transport) deliver(request *http.Request, body []byte) (*http.Response, error) {
	ctx := request.Context()
	attempt := &attempt{}
	for {
		s, err := t.ready(ctx)
		if err != nil {
			return nil, err
		}
		// A flow that has failed would fail again: the story ends here.
		if failed := t.failed(s.token()); failed.err != nil && !failed.stepUp {
			return nil, failed.err
		}
		response, err := t.send(request, body, s)
		if err != nil {
			return nil, err
		}
		again, err := t.react(ctx, response, s, attempt)
		if err == nil && !again {
			return response, nil
		}
		discard(response)
		if err != nil {
			return nil, err
		}
	}
}

// Err returns why the last request failed, or nil if one has succeeded since.
// MCP clients that fall back to another protocol version report how that went,
// and not why it had to be tried.
func (t *Transport) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastErr
}

// problem reads an answer that the MCP client often can't explain. The answer
// itself is handed on.
func (t *Transport) problem(response *http.Response) error {
	status := response.StatusCode
	forbidden := status == http.StatusForbidden
	if !forbidden && status < 500 && status != http.StatusNotFound && status != http.StatusMethodNotAllowed &&
		status != http.StatusTooManyRequests {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocument))
	response.Body = readAgain(body, response.Body, err)
	message, code := errorMessage(body)
	if forbidden {
		why := cmp.Or(message, "it does not say why")
		if code != "" {
			why += " (" + code + ")"
		}
		return fmt.Errorf("%w: %s", ErrDenied, why)
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return &StatusError{
		URL: t.config.ResourceURL, Status: status, RetryAfter: time.Duration(min(max(seconds, 0), 3600)) * time.Second, Message: message,
	}
}

// errorMessage reads an error for people, and its OAuth code: of a JSON-RPC
// error, or of an OAuth error.
func errorMessage(body []byte) (message, code string) {
	var document struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	if json.Unmarshal(body, &document) != nil {
		return "", ""
	}
	var rpc struct {
		Message string `json:"message"`
		Data    struct {
			Error string `json:"error"`
		} `json:"data"`
	}
	if json.Unmarshal(document.Error, &code) != nil && json.Unmarshal(document.Error, &rpc) == nil {
		document.Description, code = rpc.Message, rpc.Data.Error
	}
	return printable(document.Description, 300), printable(code, 80)
}

// CloseIdleConnections closes those to the MCP server and to what it named.
func (t *Transport) CloseIdleConnections() {
	t.fetch.client.CloseIdleConnections()
	closeIdle(t.base)
}

func closeIdle(transport http.RoundTripper) {
	(&http.Client{Transport: transport}).CloseIdleConnections()
}

// isServer reports whether a URL is the one that the user gave. Another path or
// query at the same host may be another server.
func (t *Transport) isServer(u *url.URL) bool {
	return baseurl.SameOrigin(u, t.server) && pathOf(u) == pathOf(t.server) && u.RawQuery == t.server.RawQuery
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
		err = fmt.Errorf("mcpauth: the request has more than %d bytes, so it can't be sent again after a login", maxBody)
	}
	return body, err
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
		return nil, &UnreachableError{t.config.ResourceURL, err}
	}
	if location := response.Header.Get("Location"); response.StatusCode/100 == 3 && location != "" {
		discard(response)
		return nil, fmt.Errorf("%w to %.200q, and the client doesn't follow: a token is for one server. "+
			"If the server has moved, give its new URL", ErrRedirect, location)
	}
	return response, nil
}

// attempt counts what one request has caused.
type attempt struct {
	nonces, flows, stepUps int
}

// react does what an answer asks for, and reports whether the request is to be
// sent again.
func (t *Transport) react(ctx context.Context, response *http.Response, s session, a *attempt) (again bool, err error) {
	nonce := s.proofs != nil && s.proofs.learn(t.server, response.Header)
	unauthorized := response.StatusCode == http.StatusUnauthorized
	if !unauthorized {
		t.accepted(s.token())
	}
	if !unauthorized && response.StatusCode != http.StatusForbidden {
		return false, nil
	}
	challenge, err := FindChallenge(response.Header)
	if err != nil {
		t.observer.alert(StageRequest, "The server's challenge is ignored, because it does not have the form of RFC 9110: "+
			printable(err.Error(), 200)+".")
	}
	code := challenge.Params["error"]
	switch {
	case unauthorized && code == "use_dpop_nonce" && nonce && a.nonces < 2:
		a.nonces++
		t.observer.note(StageRequest, "The server wants its nonce in the proof: once more, with it (RFC 9449, section 9).")
		return true, nil
	case unauthorized:
		if a.flows++; a.flows > maxFlows || t.isUntried(s.token()) {
			return false, t.refusesNewToken()
		}
		return true, t.authorize(ctx, reason{challenge: challenge, refused: s.token(), anew: a.flows > 1, dpop: takesDPoP(response.Header)})
	case code == "insufficient_scope":
		return t.stepUp(ctx, challenge, s, a)
	}
	return false, nil // a 403 that no other token would change
}

// accepted notes that the server takes a token.
func (t *Transport) accepted(token *Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.untried == token {
		t.untried = nil
	}
}

func (t *Transport) isUntried(token *Token) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return token != nil && t.untried == token
}

// refusesNewToken remembers that a login doesn't help.
func (t *Transport) refusesNewToken() error {
	err := fmt.Errorf("%w: it answers 401 to a token that was just issued for it. "+
		"Its audience, issuer, keys or clock may be wrong; its log says more", ErrRefused)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure, t.untried = failure{err: err, until: t.now().Add(refusedFor)}, nil
	return err
}
