// Package mcpauth is the authorization of an MCP client: from a server's 401
// to a token, and from there on whatever the token's life brings. It follows
// the authorization part of MCP at 2025-11-25 and 2026-07-28.
//
// Its heart is [Transport], an http.RoundTripper: put it under any MCP client,
// and authorization happens. Each stage stands in a file of its own, to be read
// in the order of the specification:
//
//   - challenge.go: what the server's 401 says (RFC 9110, RFC 6750)
//   - resource.go: what it says about itself (RFC 9728), and whether it may
//   - server.go: the authorization server that it names (RFC 8414)
//   - registration.go: how the client becomes known there (RFC 7591)
//   - scope.go: what to ask for
//   - authorize.go: what the user's browser carries there and back (RFC 6749,
//     7636, 8707, 9207); callback.go takes the answer
//   - token.go: code and refresh token into access tokens (RFC 6749, 8707)
//   - grants.go: access tokens without a user
//   - dpop.go: tokens that are bound to a key (RFC 9449)
//   - store.go: what is kept between two runs
//   - transport.go, flow.go: all of it under one request; stepup.go: a 403;
//     session.go: the token's life; flight.go: many requests, one flow;
//     forget.go: the end of it
//   - trace.go, shorten.go: what is shown of it, without secrets
//
// Everything that another party named is fetched through safefetch: loopback
// and private addresses are reached only if the user's own server is on
// loopback.
package mcpauth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/web/safefetch"
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
	// ErrDenied says that the server refuses a request for good: no other token
	// would do.
	ErrDenied = errors.New("the server denies this")
	// ErrRedirect says that the MCP server redirects.
	ErrRedirect = errors.New("the MCP server redirects")
	// ErrURL says that a URL may not be fetched or opened.
	ErrURL = errors.New("the URL may not be used")
)

// ServerError is an error that an authorization server reported (RFC 6749,
// sections 4.1.2.1 and 5.2; RFC 7591, section 3.2.2).
type ServerError struct {
	Code        string // one of the registered codes
	Description string // for people; control characters and bidi overrides are removed
	Status      int    // of HTTP; 0 where the error came through the browser
}

func (e *ServerError) Error() string {
	if e.Description == "" {
		return "the authorization server says " + e.Code
	}
	return "the authorization server says " + e.Code + ": " + e.Description
}

// Config is what a client brings along.
type Config struct {
	// Server is the URL of the MCP server, as the user gave it. It decides
	// what may be fetched: loopback and private addresses only if it is on
	// loopback itself.
	Server string
	// Name is what users are shown as the client's name.
	Name string
	// PreRegistered is a client that the authorization server knows already.
	// It comes first (MCP, authorization, "Client Registration Approaches").
	PreRegistered *PreRegistered
	// MetadataURL is the client's own Client ID Metadata Document. It comes
	// second, where the authorization server supports that.
	MetadataURL string
	// Ask is what is left when nothing else works: ask the user. May be nil.
	Ask func(ctx context.Context, issuer string) (*PreRegistered, error)
	// Grant gets tokens without a user. Nil is the authorization code grant.
	Grant Grant
	// Agent takes the user to the authorization server.
	Agent UserAgent
	// Callback is the redirect URI: http, on a loopback address. Port 0 is any
	// free one. Empty is http://127.0.0.1:0/callback.
	Callback string
	// Scope is added to what the server asks for at first.
	Scope string
	// OfflineAccess asks for the scope offline_access where the authorization
	// server lists it.
	OfflineAccess bool
	// DPoP says whether tokens are bound to a key.
	DPoP DPoPMode
	// Store keeps registrations and tokens. Nil keeps them in memory.
	Store Store
	// Trace is told what goes on. May be nil.
	Trace Trace
	// Timeout bounds one flow, the user's part in it included. 0 is five
	// minutes.
	Timeout time.Duration
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Base carries the requests to the MCP server. Nil is a transport like
	// http.DefaultTransport.
	Base http.RoundTripper
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

// fetcher gets what others name.
type fetcher struct {
	client *http.Client
	policy safefetch.Policy
}

const (
	fetchTimeout = 20 * time.Second
	maxDocument  = 256 << 10 // bytes of a metadata document or a token response
)

func newFetcher(c Config, observer *observer) *fetcher {
	policy := safefetch.Policy{
		Loopback: isLoopbackURL(c.Server), Timeout: fetchTimeout, MaxBytes: maxDocument, Resolver: c.Resolver,
	}
	client := safefetch.NewClient(policy)
	client.Transport = &tracedTransport{next: client.Transport, observer: observer}
	return &fetcher{client: client, policy: policy}
}

// check accepts a URL that another party named: https, or http to loopback
// where that is allowed (MC13).
func (f *fetcher) check(what, raw string) error {
	if _, err := safefetch.CheckURL(raw, f.policy); err != nil {
		return fmt.Errorf("%w: %s %.200q: %w", ErrURL, what, raw, err)
	}
	return nil
}

// isLoopbackURL tells whether a URL names this machine: localhost, a name below
// it, or a loopback address.
func isLoopbackURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	return isLoopbackHost(u.Hostname())
}

func isLoopbackHost(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true // RFC 6761, section 6.3
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// checkServer accepts the URL that the user gave: https, or http to loopback.
func checkServer(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: %.200q is no http or https URL", ErrURL, raw)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%w: leave the user name and everything after # out of the server's URL", ErrURL)
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()):
		return nil, fmt.Errorf("%w: %s would carry tokens in the clear; use https", ErrURL, u.Host)
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil && port == "" {
		return nil, fmt.Errorf("%w: %q has a colon and no port", ErrURL, u.Host)
	}
	return u, nil
}

// origin is scheme, host and port, in the form in which origins are compared
// (RFC 6454, section 4).
func origin(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port)
}

func sameOrigin(u *url.URL, raw string) bool {
	other, err := url.Parse(raw)
	return err == nil && origin(u) == origin(other)
}
