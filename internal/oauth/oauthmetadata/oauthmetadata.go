// Package oauthmetadata serves the documents from which clients learn how to
// get a token: that of the protected resource (RFC 9728) and that of the
// authorization server (RFC 8414). Anybody may read them, without a token, from
// any Origin; and every URL in them comes from configuration.
package oauthmetadata

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	resourcePath = "/.well-known/oauth-protected-resource"   // RFC 9728, section 3
	serverPath   = "/.well-known/oauth-authorization-server" // RFC 8414, section 3
)

// Resource describes the MCP server as a protected resource (RFC 9728, section
// 2).
type Resource struct {
	Resource             string   `json:"resource"`
	Name                 string   `json:"resource_name,omitempty"`
	AuthorizationServers []string `json:"authorization_servers"`
	// ScopesSupported is what clients should ask for at first; MCP wants no
	// catalogue here, and never offline_access. An empty array must be left out
	// (RFC 9728, section 3.2).
	ScopesSupported        []string `json:"scopes_supported,omitempty"`
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
}

// AuthorizationServer describes an issuer (RFC 8414, section 2). It has no
// member for what isn't there: a client that finds no authorization_endpoint
// knows that it can't get a token here.
type AuthorizationServer struct {
	Issuer               string   `json:"issuer"`
	JWKSURI              string   `json:"jwks_uri"`
	ScopesSupported      []string `json:"scopes_supported"`
	ServiceDocumentation string   `json:"service_documentation,omitempty"`
}

// NewResource describes a resource for which some issuers give out tokens.
// scopes, with blanks between, are what clients should ask for at first: the
// least that is of use (MCP, authorization, "Scope Selection Strategy").
func NewResource(resource, scopes string, issuers ...string) Resource {
	return Resource{
		Resource:               resource,
		Name:                   "Auth Step By Step",
		AuthorizationServers:   issuers,
		ScopesSupported:        strings.Fields(scopes),
		BearerMethodsSupported: []string{"header"},
	}
}

// NewAuthorizationServer describes an issuer that publishes its keys and has no
// endpoints yet.
func NewAuthorizationServer(issuer, jwksURI string, scopes ...string) AuthorizationServer {
	return AuthorizationServer{
		Issuer:               issuer,
		JWKSURI:              jwksURI,
		ScopesSupported:      scopes,
		ServiceDocumentation: "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization",
	}
}

// ServerURL is where the document of an issuer stands (RFC 8414, section 3.1).
func ServerURL(issuer string) string { return insert(serverPath, issuer) }

// ServerLocations lists where the document of an issuer may stand, in the order
// in which to try (MCP, authorization, "Authorization Server Metadata
// Discovery"): for an issuer with a path, the path behind the well-known part,
// in both forms (RFC 8414, section 3.1), and then OpenID's own form, with the
// well-known part at the end (OpenID Connect Discovery 1.0, section 4).
func ServerLocations(issuer *url.URL) []string {
	const openID = "/.well-known/openid-configuration"
	base, path := issuer.Scheme+"://"+issuer.Host, strings.TrimSuffix(issuer.EscapedPath(), "/")
	if path == "" {
		return []string{base + serverPath, base + openID}
	}
	return []string{base + serverPath + path, base + openID + path, base + path + openID}
}

// ResourceURL is where the document of a resource stands (RFC 9728, section
// 3.1).
func ResourceURL(resource string) string { return insert(resourcePath, resource) }

// insert puts a well-known path between the host and the path of a URL.
func insert(path, of string) string {
	u, err := url.Parse(of)
	if err != nil {
		return of
	}
	if u.Path == "/" { // a slash alone is no path
		u.Path = ""
	}
	u.Path = path + u.Path
	return u.String()
}

// Handler serves one of the documents. Clients may keep it for five minutes.
func Handler[Document Resource | AuthorizationServer](document Document) http.Handler {
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	body = append(body, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write(body)
	})
}
