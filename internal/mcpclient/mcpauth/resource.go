package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/safefetch"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// Resource is what an MCP server says about itself (RFC 9728, section 2), as
// far as a client needs it.
type Resource struct {
	// ID is the resource identifier, byte for byte as it was published: the
	// value of every resource parameter (RFC 8707, section 2).
	ID string
	// AuthorizationServers are issuers, in the server's order of preference.
	AuthorizationServers []string
	// ScopesSupported is what to ask for where the challenge says nothing.
	ScopesSupported []string
	// DPoP says that it takes tokens that are bound to a key.
	DPoP bool
	// Document is the URL at which this was found.
	Document string
}

const resourcePath = "/.well-known/oauth-protected-resource" // RFC 9728, section 3

// discoverResource reads the metadata of the server that sent the challenge
// (MC01) and holds it against the URL that was called (MC02), so that nothing
// is registered and nobody logs in on the word of another server.
func (f *fetcher) discoverResource(ctx context.Context, server *url.URL, challenge Challenge) (*Resource, error) {
	locations, err := resourceLocations(server, challenge)
	if err != nil {
		return nil, err
	}
	body, location, err := f.first(ctx, "protected resource metadata", locations)
	if err != nil {
		return nil, err
	}
	resource, err := parseResource(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDiscovery, location, err)
	}
	resource.Document = location
	if err := bind(resource.ID, server); err != nil {
		return nil, err
	}
	return resource, nil
}

// resourceLocations lists where the metadata may stand: where the challenge
// says, and only if it says nothing at the path of the server, then at the
// root (MCP, authorization, "Protected Resource Metadata Discovery
// Requirements"). A challenge can't send the client to another origin: there
// is no server whose own metadata must stand elsewhere, and a fetch that an
// attacker directs must not leave him (RFC 9728, section 7.7).
func resourceLocations(server *url.URL, challenge Challenge) ([]string, error) {
	if stated := challenge.Params["resource_metadata"]; stated != "" {
		u, err := url.Parse(stated)
		if err != nil || origin(u) != origin(server) {
			return nil, fmt.Errorf("%w: the challenge of %s points to %.200q, which is not at the same server", ErrDiscovery, server.Host, stated)
		}
		return []string{stated}, nil
	}
	root := server.Scheme + "://" + server.Host + resourcePath
	path := strings.TrimSuffix(server.EscapedPath(), "/")
	if path == "" {
		return []string{root}, nil
	}
	return []string{root + path, root}, nil
}

// first fetches the first of some documents that is there.
func (f *fetcher) first(ctx context.Context, what string, locations []string) (body []byte, location string, err error) {
	for _, location := range locations {
		if err := f.check(what, location); err != nil {
			return nil, "", err
		}
		body, _, err := safefetch.Get(ctx, f.client, location, maxDocument)
		if err == nil {
			return body, location, nil
		}
		if !errors.Is(err, safefetch.ErrStatus) {
			return nil, "", fmt.Errorf("%w: %s at %s: %w", ErrDiscovery, what, location, err)
		}
	}
	return nil, "", fmt.Errorf("%w: no %s at %s", ErrDiscovery, what, strings.Join(locations, ", nor at "))
}

func parseResource(body []byte) (*Resource, error) {
	var document struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		ScopesSupported      []string `json:"scopes_supported"`
		DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported"`
		DPoPRequired         bool     `json:"dpop_bound_access_tokens_required"`
	}
	if err := unmarshal(body, &document); err != nil {
		return nil, err
	}
	switch {
	case document.Resource == "":
		return nil, errors.New("it names no resource")
	case len(document.AuthorizationServers) == 0:
		return nil, errors.New("it names no authorization_servers, so nobody gives out tokens for this server")
	}
	scopes, err := scopeList(document.ScopesSupported)
	if err != nil {
		return nil, err
	}
	return &Resource{
		ID: document.Resource, AuthorizationServers: document.AuthorizationServers, ScopesSupported: scopes,
		DPoP: document.DPoPRequired || slices.Contains(document.DPoPAlgorithms, dpopAlgorithm),
	}, nil
}

// unmarshal reads an object of another party: strictly, so that no two readers
// can see two documents in it.
func unmarshal(body []byte, into any) error {
	if _, err := strictjson.Object(body); err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// bind accepts an identifier that stands for the URL that was called: the URL
// itself, or its origin for a server that describes all of a host at the root
// (RFC 9728, section 3.3). A longer or shorter path is another resource: at a
// host with many servers, /a must not speak for /a/b.
func bind(identifier string, server *url.URL) error {
	called := *server
	called.RawQuery, called.Fragment = "", ""
	u, err := url.Parse(identifier)
	if err == nil && u.Fragment == "" && u.RawQuery == "" && u.User == nil && origin(u) == origin(&called) &&
		(u.EscapedPath() == called.EscapedPath() || strings.Trim(u.EscapedPath(), "/") == "" && len(u.Path) <= 1) {
		return nil
	}
	return fmt.Errorf("%w: %s was called, and its metadata says %.200q", ErrResource, called.String(), identifier)
}
