package clientmetadata

import (
	"fmt"
	"mime"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/web/safefetch"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// MaxDocument is the longest Client ID Metadata Document that is read, in
// bytes (draft 02, section 8.7).
const MaxDocument = 5 << 10

// MaxURL is the longest URL of a document, in bytes: it stands in whatever is kept
// for its client.
const MaxURL = 512

// IsURL reports whether a client_id has the form of a document's URL: https, a
// path, no fragment, no user information, no dot segments (draft 02, section 3), and
// no more than [MaxURL].
// Whether a document is there, and where the name leads, only shows when it is
// fetched.
func IsURL(clientID string) bool {
	if len(clientID) > MaxURL {
		return false
	}
	u, err := safefetch.CheckURL(clientID, safefetch.Policy{Loopback: true})
	// A path of / alone names a site, not a document.
	return err == nil && u.Scheme == "https" && len(u.Path) > 1 && !hasDotSegments(u)
}

// parseDocument reads the document that stands at clientID.
func parseDocument(clientID, contentType string, body []byte) (*Metadata, error) {
	refuse := func(why string) (*Metadata, error) {
		return nil, &Error{InvalidClient, "The document at the client_id " + why + "."}
	}
	// Section 4: application/json or a more specific type in JSON.
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && !(strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")) {
		return refuse("is not served as application/json")
	}
	members, err := strictjson.Object(body)
	if err != nil {
		return refuse("is not a JSON object, or has a member twice")
	}
	// Section 4: the same byte by byte, so that nobody can publish a document
	// for another client.
	if id, _ := strictjson.String(members["client_id"]); id != clientID {
		return refuse("must have its own URL as client_id")
	}
	// Section 4.1: there is no way to share a secret in public.
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		if _, present := members[name]; present {
			return refuse("must not have the member " + name)
		}
	}
	m, err := read(members)
	if err != nil {
		return nil, err
	}
	m.ClientID = clientID
	switch m.TokenEndpointAuthMethod {
	case "":
		m.TokenEndpointAuthMethod = clientauth.None // RFC 7591's default would be a secret
	case clientauth.None, clientauth.PrivateKeyJWT:
	default:
		return refuse("has the token_endpoint_auth_method " + quoted(m.TokenEndpointAuthMethod) + "; it must be none or private_key_jwt")
	}
	if strings.TrimSpace(m.ClientName) == "" {
		return refuse("has no client_name, which MCP requires")
	}
	// Client credentials would be access for whoever can publish a file.
	if err := m.normalize(GrantCode, GrantRefresh); err != nil {
		return nil, fmt.Errorf("document of %.100q: %w", clientID, err)
	}
	return m, nil
}
