package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/syntax"
	"mcp-auth-step-by-step/internal/web/baseurl"
)

// Resource is the metadata of an MCP server (RFC 9728, section 2), as far as a
// client needs it.
type Resource struct {
	// ID is the resource identifier, byte for byte as it was published: the
	// value of every resource parameter (RFC 8707, section 2).
	ID string `json:"resource"`
	// AuthorizationServers are issuers, in the server's order of preference.
	AuthorizationServers list `json:"authorization_servers"`
	// ScopesSupported is what to ask for where the challenge has no scope.
	ScopesSupported list `json:"scopes_supported"`
	// DPoPAlgorithms are those of proofs (RFC 9728, section 2).
	DPoPAlgorithms list `json:"dpop_signing_alg_values_supported"`
	DPoPRequired   bool `json:"dpop_bound_access_tokens_required"`
}

// takesDPoP reports whether it takes tokens that are bound to a key.
func (r *Resource) takesDPoP() bool {
	return r.DPoPRequired || slices.Contains(r.DPoPAlgorithms, dpopAlgorithm)
}

const resourcePath = "/.well-known/oauth-protected-resource" // RFC 9728, section 3

// discoverResource reads the metadata of the server that sent the challenge
// (MC01) and compares it with the URL that was called (MC02), before anything
// is registered and before the user is asked. remembered is where an earlier
// challenge said that the metadata stands, or empty. It also returns the
// location, if only a challenge can name it.
func (f *fetcher) discoverResource(
	ctx context.Context, server *url.URL, challenge Challenge, remembered string,
) (*Resource, string, error) {
	locations, err := resourceLocations(server, challenge, remembered)
	if err != nil {
		return nil, "", err
	}
	var resource *Resource
	var found string
	err = f.document(ctx, "protected resource metadata", locations, func(body []byte, location string) (err error) {
		if resource, err = parseResource(body); err != nil {
			return err
		}
		found = location
		return bind(resource.ID, server, location)
	})
	if err != nil {
		return nil, "", err
	}
	if usual, err := resourceLocations(server, Challenge{}, ""); err == nil && slices.Contains(usual, found) {
		found = ""
	}
	return resource, found, nil
}

// resourceLocations lists where the metadata may stand: where the challenge
// says. Where it says nothing, first where an earlier challenge said, then at
// the path of the server, then at the root (MCP, authorization, "Protected
// Resource Metadata Discovery Requirements"). A challenge can't send the client
// to another origin: a server has no reason to keep its own metadata elsewhere,
// and a request that an attacker directs must not leave the attacker's server
// (RFC 9728, section 7.7).
func resourceLocations(server *url.URL, challenge Challenge, remembered string) ([]string, error) {
	if stated := challenge.Params["resource_metadata"]; stated != "" {
		u, err := url.Parse(stated)
		if err != nil || baseurl.Origin(u) != baseurl.Origin(server) {
			return nil, fmt.Errorf("%w: the challenge of %s points to %.200q, which is at another origin", ErrDiscovery, server.Host, stated)
		}
		return []string{stated}, nil
	}
	root := server.Scheme + "://" + server.Host + resourcePath
	path := strings.TrimSuffix(server.EscapedPath(), "/")
	if server.RawQuery != "" { // RFC 9728, section 3.1
		path += "?" + server.RawQuery
	}
	locations := []string{root + path, root}
	if u, err := url.Parse(remembered); err == nil && remembered != "" && baseurl.SameOrigin(u, server) {
		locations = append([]string{remembered}, locations...)
	}
	return slices.Compact(locations), nil
}

func parseResource(body []byte) (*Resource, error) {
	var resource Resource
	if err := unmarshal(body, &resource); err != nil {
		return nil, fmt.Errorf("not protected resource metadata: %w", err)
	}
	switch {
	case resource.ID == "":
		return nil, errors.New("not protected resource metadata: it has no resource")
	case len(resource.AuthorizationServers) == 0:
		return nil, errors.New("it lists no authorization_servers, so no tokens can be had for this server")
	}
	scopes := slices.DeleteFunc(resource.ScopesSupported, func(s string) bool { return !syntax.ScopeToken(s) })
	resource.ScopesSupported = scopes[:min(len(scopes), maxScopes)]
	return &resource, nil
}

// bind accepts the identifier of the URL that was called, with or without its
// query (RFC 9728, sections 1.2 and 3.3). The identifier of the whole origin
// counts only where its document stands at the root: at a host with many
// servers, /a must not speak for /b, nor for /a/b.
func bind(identifier string, server *url.URL, location string) error {
	u, err := url.Parse(identifier)
	at, atErr := url.Parse(location)
	if err == nil && atErr == nil && u.Fragment == "" && u.User == nil && baseurl.SameOrigin(u, server) {
		samePath := pathOf(u) == pathOf(server) && (u.RawQuery == "" || u.RawQuery == server.RawQuery)
		root := pathOf(u) == "/" && u.RawQuery == "" && at.Path == resourcePath && at.RawQuery == ""
		if samePath || root {
			return nil
		}
	}
	return fmt.Errorf("%w: %s was called, and the metadata at %s describes %.200q", ErrResource, server, location, identifier)
}
