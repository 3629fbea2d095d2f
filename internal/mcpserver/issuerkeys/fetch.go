package issuerkeys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
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

// errNoDocument says that an address has no document, so that another may.
var errNoDocument = errors.New("no document there")

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

// found is what a fetch brings.
type found struct {
	keys     jwks.Set
	leftOut  []error       // why keys of the set can't be used
	lifetime time.Duration // how long the keys may be kept
	metadata string        // address of the issuer's metadata
}

// fetch discovers where the issuer's keys are, and reads them.
func (s *Source) fetch(ctx context.Context) (*found, error) {
	metadata, address, err := s.discover(ctx)
	if err != nil {
		return nil, err
	}
	body, header, err := s.get(ctx, address)
	if err != nil {
		return nil, err
	}
	keys, leftOut, err := jwks.ParseFor(body, s.config.Algorithms)
	if err != nil {
		return nil, fmt.Errorf("the key set of %s: %w", address, err)
	}
	return &found{keys, leftOut, lifetimeOf(header), metadata}, nil
}

// discover returns where the issuer's metadata is, and its jwks_uri. Where one
// address has no metadata, the next is tried: a page for all addresses, an empty
// object or an error of a gateway says nothing about the others (WB5). Metadata
// of another issuer ends the search (RFC 8414, section 3.3: it must not be used).
func (s *Source) discover(ctx context.Context) (metadata, keys string, err error) {
	var missed []error
	for _, address := range wellKnown(s.config.Address) {
		body, _, err := s.get(ctx, address)
		if errors.Is(err, errNoDocument) {
			missed = append(missed, err)
			continue
		}
		if err != nil {
			return "", "", err
		}
		members, err := strictjson.Members(body, "issuer", "jwks_uri")
		issuer, stated := strictjson.String(members["issuer"])
		if err != nil || !stated {
			missed = append(missed, fmt.Errorf("%s is not the metadata of an issuer: %w", address, cmp.Or(err, errNoIssuer)))
			continue
		}
		if issuer != s.config.Issuer {
			return "", "", fmt.Errorf("%s names the issuer %.200q, want %q: set JWT_ISSUER to the issuer to the letter",
				address, issuer, s.config.Issuer)
		}
		keys, _ := strictjson.String(members["jwks_uri"])
		if keys, err = s.inside(keys); err != nil {
			return "", "", fmt.Errorf("%s: jwks_uri: %w", address, err)
		}
		return address, keys, nil
	}
	return "", "", errors.Join(missed...)
}

var errNoIssuer = errors.New("it has no issuer")

// inside is a URL as it can be reached from here: below the configured address
// where it is the issuer's own.
func (s *Source) inside(raw string) (string, error) {
	if s.config.Address == s.config.Issuer {
		return raw, CheckURL(raw)
	}
	if rest, ok := strings.CutPrefix(raw, s.config.Issuer+"/"); ok {
		return s.config.Address + "/" + rest, nil
	}
	u, err := url.Parse(raw)
	address, addressErr := url.Parse(s.config.Address)
	if err == nil && addressErr == nil && baseurl.SameOrigin(u, address) {
		return raw, nil
	}
	return raw, CheckURL(raw)
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
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s: status %d: %w", address, response.StatusCode, errNoDocument)
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
