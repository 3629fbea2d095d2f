// Package mcpauth is the authorization of an MCP client: from a server's 401 to
// a token, and then refresh, step-up and revocation. It follows the
// authorization part of MCP at 2025-11-25 and 2026-07-28.
//
//	authorization, err := mcpauth.New(mcpauth.Config{
//		ResourceURL: "https://mcp.example.com/mcp", Agent: mcpauth.Browser{},
//	})
//	client := &http.Client{Transport: authorization} // for any MCP client
//
// [Transport] is an http.RoundTripper: put it under any MCP client, and
// authorization happens. Each stage stands in a file of its own, to be read in
// the order of the specification:
//
//   - challenge.go: what the server's 401 says (RFC 9110, RFC 6750)
//   - resource.go: the server's metadata (RFC 9728), and whether it is its own
//   - authorizationserver.go: the metadata of the authorization server (RFC 8414)
//   - registration.go: how the client becomes known there (RFC 7591)
//   - scope.go: which scope to ask for
//   - authorize.go: what the user's browser carries there and back (RFC 6749,
//     7636, 8707, 9207); callback.go takes the answer
//   - token.go: code and refresh token into access tokens (RFC 6749, 8707)
//   - grants.go: access tokens without a user
//   - dpop.go: tokens that are bound to a key (RFC 9449)
//   - store.go: what is kept between two runs
//   - transport.go, flow.go: all of it under one request; stepup.go: a 403;
//     session.go: the token in use; flight.go: many requests, one flow;
//     forget.go: revocation
//   - trace.go, redact.go: what is shown of it, without secrets
//   - fetch.go, limits.go: which URLs are fetched, and how large an answer may be
//
// Every URL that another party named is fetched through safefetch: loopback
// addresses only if the user's own server is on loopback, and private addresses
// only for the origins that the user named.
package mcpauth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Errors that end a flow. Each is wrapped with what was expected and what was
// found; the text never holds a secret.
var (
	// ErrDiscovery says that the server's metadata, or that of its
	// authorization server, is missing or can't be used.
	ErrDiscovery = errors.New("discovery failed")
	// ErrResource says that metadata describes another resource than the one
	// that was called.
	ErrResource = errors.New("the metadata is about another resource")
	// ErrIssuer says that an issuer is not the one that was asked for.
	ErrIssuer = errors.New("wrong issuer")
	// ErrEndpoint says that an authorization endpoint is at another origin than
	// its issuer, and nothing binds its answers to the issuer.
	ErrEndpoint = errors.New("the authorization endpoint may not be used")
	// ErrPKCE says that the authorization server doesn't offer S256.
	ErrPKCE = errors.New("the authorization server does not support PKCE with S256")
	// ErrRegistration says that there is no way to become a client.
	ErrRegistration = errors.New("no client registration")
	// ErrState says that a response at the callback is not the answer to our
	// request.
	ErrState = errors.New("the response has another state than the request")
	// ErrScope says that the server wants more scope than the authorization
	// server will give.
	ErrScope = errors.New("insufficient scope")
	// ErrRefused says that the server refuses a token that was made for it.
	ErrRefused = errors.New("the server refuses a new token")
	// ErrDenied says that the server refuses a request, and that no other token
	// would change that.
	ErrDenied = errors.New("the server denies this")
	// ErrRedirect says that the MCP server redirects.
	ErrRedirect = errors.New("the MCP server redirects")
	// ErrURL says that a URL may not be fetched or opened.
	ErrURL = errors.New("the URL may not be used")
	// ErrWindows says that the user was sent to the browser too often.
	ErrWindows = errors.New("too many logins")
	// ErrNoAnswer says that the user has not answered in the browser.
	ErrNoAnswer = errors.New("nobody answered in the browser")
	// ErrTooLarge says that an answer of the MCP server is beyond a limit.
	ErrTooLarge = errors.New("the answer of the MCP server is too large")
	// ErrTooSlow says that an answer of the MCP server takes too long.
	ErrTooSlow = errors.New("the answer of the MCP server takes too long")
)

// ServerError is an error that an authorization server reported (RFC 6749,
// sections 4.1.2.1 and 5.2; RFC 7591, section 3.2.2).
type ServerError struct {
	Code        string // one of the registered codes; empty where there is none
	Description string // for people: one line of plain text
	Status      int    // of HTTP; 0 where the error came through the browser
}

func (e *ServerError) Error() string {
	says := "the authorization server says " + e.Code
	if e.Code == "" && e.Status == 0 {
		says = "the authorization server reports an error without a code"
	} else if e.Code == "" {
		says = fmt.Sprintf("the authorization server answers %d %s without an error code", e.Status, http.StatusText(e.Status))
	}
	if e.Description == "" {
		return says
	}
	return says + ": " + e.Description
}

// UnreachableError says that no answer came from the MCP server.
type UnreachableError struct {
	URL string
	Err error // of the network
}

func (e *UnreachableError) Error() string { return "no answer from " + e.URL + ": " + e.Err.Error() }
func (e *UnreachableError) Unwrap() error { return e.Err }

// StatusError says that the MCP server answered with a status that authorization
// doesn't explain: 404, 405, 429 or one of 5xx.
type StatusError struct {
	URL        string
	Status     int
	RetryAfter time.Duration // 0 where the server doesn't say
	Message    string        // of the answer, one line; may be empty
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Config is what a client brings along.
type Config struct {
	// ResourceURL is the URL of the MCP server, as the user gave it. It decides
	// what may be fetched: loopback addresses only if it is on loopback itself,
	// a private address only at its own origin.
	ResourceURL string
	// PrivateOrigins are more origins (https) that may be on a private address:
	// those of authorization servers in the user's own network.
	PrivateOrigins []string
	// Name is what users are shown as the client's name.
	Name string
	// PreRegistered is a client that the authorization server knows already.
	// It comes first (MCP, authorization, "Client Registration Approaches").
	PreRegistered *PreRegistered
	// MetadataURL is the client's own Client ID Metadata Document. It comes
	// second, where the authorization server supports that.
	MetadataURL string
	// Ask asks the user for a client, where nothing else works. May be nil.
	Ask func(ctx context.Context, issuer string) (*PreRegistered, error)
	// Grant gets tokens without a user. Nil is the authorization code grant.
	Grant Grant
	// Agent takes the user to the authorization server.
	Agent UserAgent
	// Callback is the redirect URI: http, on a loopback address. Port 0 is any
	// free one. Empty is any free port of 127.0.0.1, with a path for each issuer
	// where the client registers itself.
	Callback string
	// Home is where the user goes back to after the login, as the page at the
	// callback says it. Empty is "the terminal".
	Home string
	// Scope is added to what the server asks for at first.
	Scope string
	// OfflineAccess asks for the scope offline_access where the authorization
	// server lists it, and for the user's consent to it (OpenID Connect Core,
	// section 11).
	OfflineAccess bool
	// AssumePKCE is the one issuer that is taken to support S256 although its
	// metadata doesn't have code_challenge_methods_supported. Each flow says so.
	AssumePKCE string
	// AuthorizationOrigin is the origin of an authorization endpoint that may
	// differ from the issuer's, at an authorization server that doesn't promise
	// iss in its answers (RFC 9700, section 4.4.2).
	AuthorizationOrigin string
	// DPoP says whether tokens are bound to a key.
	DPoP DPoPMode
	// Store keeps registrations and tokens. Nil keeps them in memory.
	Store Store
	// Trace is told what goes on. May be nil.
	Trace Trace
	// Timeout bounds one flow, the user's part in it included. 0 is five
	// minutes.
	Timeout time.Duration
	// AnswerTimeout bounds one answer of the MCP server, its body included, to
	// everything but GET. 0 is five minutes.
	AnswerTimeout time.Duration
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Base carries the requests to the MCP server. Nil is a transport like
	// http.DefaultTransport that dials loopback addresses only, where the server
	// is named by http.
	Base http.RoundTripper
	// Proxy, as of http.Transport, carries also what safefetch would fetch. Then
	// the proxy chooses the addresses: they are not checked, and only https is
	// fetched. Nil fetches without a proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// Resolver looks names up for what is fetched. Nil is the system's.
	Resolver func(ctx context.Context, host string) ([]netip.Addr, error)
}

// PreRegistered is a client that an authorization server knows already.
type PreRegistered struct {
	ClientID     string
	ClientSecret string
	// Key signs assertions in place of a secret (RFC 7523, section 2.2): RSA,
	// ECDSA P-256 or Ed25519.
	Key crypto.Signer
	// KeyID is the kid of assertions, where the server needs it.
	KeyID string
	// Issuer is the only authorization server that is shown these
	// credentials. Empty binds them to the first one that is met.
	Issuer string
}
