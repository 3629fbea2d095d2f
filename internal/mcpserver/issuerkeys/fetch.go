package issuerkeys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/cachecontrol"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

const (
	// answerTime is how long one answer may take, to its last byte.
	answerTime = 5 * time.Second
	// maxDocument is the longest document that is read, in bytes.
	maxDocument = 256 << 10
)

// errNotFound says that an address has no document, so that another may.
var errNotFound = errors.New("no document")

func newTransport() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 32 << 10
	return transport
}

// newClient makes a client that goes where it is sent and no further: a
// redirect would lead it to an address that nobody has checked.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch discovers where the issuer's keys are, and reads them. lifetime is how
// long they may be kept.
func (s *Source) fetch(ctx context.Context) (keys jwks.Set, lifetime time.Duration, err error) {
	address, err := s.discover(ctx)
	if err != nil {
		return nil, 0, err
	}
	body, header, err := s.get(ctx, address)
	if err != nil {
		return nil, 0, err
	}
	keys, err = jwks.Parse(body)
	if err != nil {
		return nil, 0, fmt.Errorf("the key set of %s: %w", address, err)
	}
	return keys, lifetimeOf(header), nil
}

// discover returns the jwks_uri of the issuer's metadata. Where one form of
// its address has nothing, the next is tried; a document of another issuer ends
// the search (RFC 8414, section 3.3: it must not be used).
func (s *Source) discover(ctx context.Context) (string, error) {
	var missed []error
	for _, address := range wellKnown(s.issuer) {
		body, _, err := s.get(ctx, address)
		if errors.Is(err, errNotFound) {
			missed = append(missed, err)
			continue
		}
		if err != nil {
			return "", err
		}
		members, err := strictjson.Object(body)
		if err != nil { // such as the page of a website for all addresses
			missed = append(missed, fmt.Errorf("%s: %w", address, err))
			continue
		}
		if issuer, _ := strictjson.String(members["issuer"]); issuer != s.issuer {
			return "", fmt.Errorf("%s names the issuer %.200q: it must be exactly the configured one", address, issuer)
		}
		keys, _ := strictjson.String(members["jwks_uri"])
		if err := CheckURL(keys); err != nil {
			return "", fmt.Errorf("%s: jwks_uri: %w", address, err)
		}
		return keys, nil
	}
	return "", errors.Join(missed...)
}

// wellKnown are the addresses at which an issuer's metadata may be.
func wellKnown(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	return oauthmetadata.ServerLocations(u)
}

// CheckURL tells whether keys may be had from an address, or an issuer be
// there: over https, or over http from this very machine (RFC 8414, section 2;
// RFC 8725, section 3.10).
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("%.200q is not a URL", raw)
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("%.200q has a user or a fragment", raw)
	case baseurl.Secure(u):
		return nil
	}
	return fmt.Errorf("%.200q is not https, nor http on this machine", raw)
}

// get reads a document. It sends nothing that a caller of this server sent,
// least of all a token (MCP, "Token Handling").
func (s *Source) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, nil, withoutPort(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 500: // also where it would lead to a login
		return nil, nil, fmt.Errorf("%s: status %d: %w", address, response.StatusCode, errNotFound)
	case response.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("%s: status %d", address, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", address, withoutPort(err))
	}
	if len(body) > maxDocument {
		return nil, nil, fmt.Errorf("%s: more than %d bytes", address, maxDocument)
	}
	return body, response.Header, nil
}

// withoutPort leaves out of an error from which port the attempt was made,
// which differs each time and would make old news new.
func withoutPort(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		op.Source = nil
	}
	return err
}

// lifetimeOf is how long keys may be kept.
func lifetimeOf(header http.Header) time.Duration {
	return cachecontrol.Lifetime(header, usual, shortest, longest)
}
