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
	// AnswerTime is how long one answer of an issuer may take, to its last byte.
	AnswerTime = 5 * time.Second
	// MaxDocument is the longest document that is read, in bytes.
	MaxDocument = 256 << 10
)

var (
	// ErrNoDocument says that an address has no metadata, so that another may.
	ErrNoDocument = errors.New("no document there")
	errNoIssuer   = errors.New("it has no issuer")
)

// IssuerError says that metadata is that of another issuer.
type IssuerError struct {
	Address string // of the metadata
	Issuer  string // that it names
	Want    string
	Setting string // that holds Want
}

func (e *IssuerError) Error() string {
	return fmt.Sprintf("%s names the issuer %.200q, want %q: set %s to the issuer to the letter",
		e.Address, e.Issuer, e.Want, cmp.Or(e.Setting, "JWT_ISSUER"))
}

func newTransport() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 32 << 10
	return transport
}

// NewClient makes a client for an issuer that the operator named; see [newClient].
func NewClient() *http.Client { return newClient(newTransport()) }

// newClient makes a client that goes where it is sent and no further: a
// redirect would lead it to an address that nobody has checked.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       AnswerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Reader reads the documents of an issuer, once and without keeping them.
type Reader struct {
	config Config
	client *http.Client
}

// NewReader returns a reader that uses a client, which must not follow
// redirects: they would lead it to an address that nobody has checked.
func NewReader(config Config, client *http.Client) *Reader {
	config.Address = cmp.Or(config.Address, config.Issuer)
	return &Reader{config, client}
}

// Metadata is what an issuer says about itself (RFC 8414, section 2; OpenID
// Connect Discovery 1.0, section 3), as far as this server uses it. Its URLs are
// as they can be reached from here.
type Metadata struct {
	Address       string // where it was found
	Keys          string // jwks_uri
	Introspection string // introspection_endpoint; empty where there is none
	Body          []byte // all of the document
}

// found is what a fetch brings.
type found struct {
	keys     jwks.Set
	leftOut  []error       // why keys of the set can't be used
	lifetime time.Duration // how long the keys may be kept
	metadata *Metadata
}

// fetch discovers where the issuer's keys are, and reads them.
func (r *Reader) fetch(ctx context.Context) (*found, error) {
	metadata, err := r.discover(ctx)
	if err != nil || r.config.NoKeys {
		return &found{lifetime: usual, metadata: metadata}, err
	}
	body, header, err := r.get(ctx, metadata.Keys)
	if err != nil {
		return nil, err
	}
	keys, leftOut, err := jwks.ParseFor(body, r.config.Algorithms)
	if err != nil {
		return nil, fmt.Errorf("the key set of %s: %w", metadata.Keys, err)
	}
	return &found{keys, leftOut, lifetimeOf(header), metadata}, nil
}

// Keys reads the key set of metadata. Beside the usable keys it returns why the
// others are left out.
func (r *Reader) Keys(ctx context.Context, metadata *Metadata) (keys jwks.Set, leftOut []error, err error) {
	body, _, err := r.get(ctx, metadata.Keys)
	if err != nil {
		return nil, nil, err
	}
	return jwks.ParseFor(body, r.config.Algorithms)
}

// discover returns the issuer's metadata. Where one address has none, the next is
// tried: a page for all addresses, an empty object or an error of a gateway says
// nothing about the others (WB5). Metadata of another issuer ends the search (RFC
// 8414, section 3.3: it must not be used).
func (r *Reader) discover(ctx context.Context) (*Metadata, error) {
	var missed []error
	for _, address := range r.Locations() {
		metadata, err := r.Metadata(ctx, address)
		if !errors.Is(err, ErrNoDocument) {
			return metadata, err
		}
		missed = append(missed, err)
	}
	return nil, errors.Join(missed...)
}

// Metadata reads the metadata at one address. The error is [ErrNoDocument] where
// something else is there, or nothing, and an [IssuerError] where it is that of
// another issuer.
func (r *Reader) Metadata(ctx context.Context, address string) (*Metadata, error) {
	body, _, err := r.get(ctx, address)
	if err != nil {
		return nil, err
	}
	members, err := strictjson.Members(body, "issuer", "jwks_uri", "introspection_endpoint")
	issuer, stated := strictjson.String(members["issuer"])
	if err != nil || !stated {
		return nil, fmt.Errorf("%s is not the metadata of an issuer: %w: %w", address, ErrNoDocument, cmp.Or(err, errNoIssuer))
	}
	if issuer != r.config.Issuer {
		return nil, &IssuerError{address, issuer, r.config.Issuer, r.config.Setting}
	}
	metadata := &Metadata{Address: address, Body: body}
	keys, _ := strictjson.String(members["jwks_uri"])
	if metadata.Keys, err = r.Inside(keys); err != nil && !r.config.NoKeys {
		return nil, fmt.Errorf("%s: jwks_uri: %w", address, err)
	}
	if endpoint, stated := strictjson.String(members["introspection_endpoint"]); stated {
		if metadata.Introspection, err = r.Inside(endpoint); err != nil && r.config.NoKeys {
			return nil, fmt.Errorf("%s: introspection_endpoint: %w", address, err)
		}
	}
	return metadata, nil
}

// Locations lists the addresses at which the issuer's metadata may be.
func (r *Reader) Locations() []string { return wellKnown(r.config.Address) }

// Inside is a URL of the issuer's metadata as it can be reached from here: below the configured address
// where it is the issuer's own.
func (r *Reader) Inside(raw string) (string, error) {
	if r.config.Address == r.config.Issuer {
		return raw, CheckURL(raw)
	}
	if rest, ok := strings.CutPrefix(raw, r.config.Issuer+"/"); ok {
		return r.config.Address + "/" + rest, nil
	}
	u, err := url.Parse(raw)
	address, addressErr := url.Parse(r.config.Address)
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
func (r *Reader) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, nil, withoutPort(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s: status %d: %w", address, response.StatusCode, ErrNoDocument)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxDocument+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", address, withoutPort(err))
	}
	if len(body) > MaxDocument {
		return nil, nil, fmt.Errorf("%s: more than %d bytes", address, MaxDocument)
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
