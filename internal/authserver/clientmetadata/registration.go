package clientmetadata

import (
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/syntax"
	"mcp-auth-step-by-step/internal/web/plaintext"
	"mcp-auth-step-by-step/internal/web/safefetch"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

const (
	// MaxRegistration is the longest registration that is read, in bytes.
	MaxRegistration = 64 << 10

	maxName  = 100     // characters
	maxScope = 1024    // bytes
	maxJWKS  = 8 << 10 // bytes
	maxKeys  = 5
	// maxRSABits bounds what it costs to verify an assertion: with 8192 bits a
	// fraction of a millisecond.
	maxRSABits = 8192
)

// ParseRegistration reads a client registration request (RFC 7591, section
// 3.1) and returns what is granted of it: defaults filled in, and what isn't
// supported left out where a client can do without, as section 2 allows. The
// identifier and the secret are for the server to add, and the scope is as
// asked for. Errors are of type [*Error].
//
// A software statement and URLs of keys are ignored; so is a client_id.
func ParseRegistration(body []byte) (*Metadata, error) {
	if len(body) > MaxRegistration {
		return nil, invalid("The registration is too large: at most 64 KiB are read.")
	}
	members, err := strictjson.Object(body)
	if err != nil {
		return nil, invalid("The registration must be one JSON object that has no member twice.")
	}
	m, err := read(members)
	if err != nil {
		return nil, err
	}
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = clientauth.Basic // RFC 7591, section 2
	}
	if err := m.normalize(GrantCode, GrantRefresh, GrantClientCredentials); err != nil {
		return nil, err
	}
	return m, nil
}

func invalid(description string) *Error { return &Error{InvalidClientMetadata, description} }

// read takes the known members, each of which must have its type; null stands
// for left out. Names are compared to the letter, as encoding/json wouldn't.
func read(members map[string]json.RawMessage) (*Metadata, error) {
	m := &Metadata{}
	var redirects []string
	present := func(name string) (json.RawMessage, bool) {
		raw := members[name]
		return raw, len(raw) > 0 && string(raw) != "null"
	}
	for name, target := range map[string]*string{
		"token_endpoint_auth_method": &m.TokenEndpointAuthMethod, "application_type": &m.ApplicationType,
		"client_name": &m.ClientName, "client_uri": &m.ClientURI, "logo_uri": &m.LogoURI,
		"scope": &m.Scope, "jwks_uri": &m.JWKSURI,
	} {
		if raw, ok := present(name); ok {
			if *target, ok = strictjson.String(raw); !ok {
				return nil, invalid(name + " must be a string.")
			}
		}
	}
	for name, target := range map[string]*[]string{
		"redirect_uris": &redirects, "grant_types": &m.GrantTypes, "response_types": &m.ResponseTypes,
	} {
		if raw, ok := present(name); ok {
			if *target, ok = strictjson.Strings(raw); !ok {
				code := InvalidClientMetadata
				if name == "redirect_uris" {
					code = InvalidRedirectURI
				}
				return nil, &Error{code, name + " must be an array of strings."}
			}
		}
	}
	m.JWKS, _ = present("jwks")
	if len(redirects) > maxRedirectURIs {
		return nil, &Error{InvalidRedirectURI, "redirect_uris must hold at most 20 URIs."}
	}
	var err error
	m.RedirectURIs, err = parseRedirects(redirects)
	return m, err
}

// normalize checks what was read, and brings it into the form that is granted.
// grants are those that the server knows.
func (m *Metadata) normalize(grants ...string) error {
	for _, step := range []func() error{
		m.normalizeAuthentication, func() error { return m.normalizeGrants(grants) }, m.checkRedirects, m.normalizeType, m.normalizeText,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// normalizeAuthentication wants a method that is known, and with private_key_jwt
// the keys by value.
func (m *Metadata) normalizeAuthentication() error {
	keys, uri := m.JWKS, m.JWKSURI
	m.JWKS, m.JWKSURI = nil, ""
	switch m.TokenEndpointAuthMethod {
	case clientauth.None, clientauth.Basic, clientauth.Post:
		return nil
	case clientauth.PrivateKeyJWT:
	default:
		return invalid("token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or private_key_jwt.")
	}
	if len(keys) == 0 || uri != "" {
		return invalid("private_key_jwt needs the public keys in jwks; a jwks_uri is not fetched.")
	}
	if len(keys) > maxJWKS || !usableKeys(keys) {
		return invalid("jwks must hold one to five public signature keys (RS256, PS256, ES256 or EdDSA; RSA keys of 2048 to 8192 bits), " +
			"each with a kid of its own.")
	}
	m.JWKS = keys
	return nil
}

// usableKeys reports whether each key of a set can verify assertions and has a
// kid of its own.
func usableKeys(raw json.RawMessage) bool {
	var all struct{ Keys []json.RawMessage }
	set, err := jwks.Parse(raw)
	if err != nil || json.Unmarshal(raw, &all) != nil || len(set) != len(all.Keys) || len(set) > maxKeys {
		return false
	}
	seen := map[string]bool{"": true}
	for _, key := range set {
		if public, ok := key.Public.(*rsa.PublicKey); seen[key.ID] || ok && public.N.BitLen() > maxRSABits {
			return false
		}
		seen[key.ID] = true
	}
	return true
}

// normalizeGrants keeps the grant types that are known: clients name all that
// they could use. What remains must make sense together (RFC 7591, section
// 2.1).
func (m *Metadata) normalizeGrants(known []string) error {
	if m.GrantTypes == nil {
		m.GrantTypes = []string{GrantCode}
	}
	if m.ResponseTypes == nil && slices.Contains(m.GrantTypes, GrantCode) {
		m.ResponseTypes = []string{"code"}
	}
	var granted []string
	for _, grant := range known {
		if slices.Contains(m.GrantTypes, grant) && (grant != GrantClientCredentials || m.Confidential()) {
			granted = append(granted, grant)
		}
	}
	m.GrantTypes = granted
	if !m.AllowsGrant(GrantCode) {
		m.ResponseTypes = []string{}
		if !m.AllowsGrant(GrantClientCredentials) || m.AllowsGrant(GrantRefresh) {
			return invalid("grant_types must contain authorization_code, or for a client that authenticates, client_credentials; " +
				"refresh_token is allowed beside authorization_code only.")
		}
		return nil
	}
	if !slices.Contains(m.ResponseTypes, "code") {
		return invalid("response_types must contain code.")
	}
	m.ResponseTypes = []string{"code"}
	return nil
}

// checkRedirects checks where codes would be sent. A client without the code
// grant has no use for redirect URIs, and gets none.
func (m *Metadata) checkRedirects() error {
	if !m.AllowsGrant(GrantCode) {
		m.RedirectURIs = nil
		return nil
	}
	if len(m.RedirectURIs) == 0 {
		return &Error{InvalidRedirectURI, "redirect_uris must hold at least one URI."}
	}
	return nil
}

// normalizeType checks the application type. Where it is left out it follows from
// the redirect URIs: OpenID Connect's default, web, would refuse most clients
// of MCP, which says nothing of the kind for servers of plain OAuth.
func (m *Metadata) normalizeType() error {
	native := slices.ContainsFunc(m.RedirectURIs, func(r Redirect) bool { return r.scheme != "https" })
	switch {
	case m.ApplicationType == "" && native:
		m.ApplicationType = Native
	case m.ApplicationType == "":
		m.ApplicationType = Web
	case m.ApplicationType == Web && native:
		return &Error{InvalidRedirectURI, "A client with application_type web must have https redirect URIs only; " +
			"a client on the user's machine is native."}
	case m.ApplicationType != Web && m.ApplicationType != Native:
		return invalid("application_type must be native or web.")
	}
	return nil
}

// normalizeText checks what people will read, and drops links that no page should
// have.
func (m *Metadata) normalizeText() error {
	m.ClientName = strings.TrimSpace(m.ClientName)
	// Characters that can't be seen can make one name look like another.
	if utf8.RuneCountInString(m.ClientName) > maxName || !plaintext.Clean(m.ClientName) {
		return invalid("client_name must have at most 100 characters, without control, invisible and text-direction characters.")
	}
	if len(m.Scope) > maxScope || slices.ContainsFunc(strings.Split(m.Scope, " "), func(word string) bool {
		return word != "" && !syntax.ScopeToken(word) // clients send a blank too many
	}) {
		return invalid("scope must be a list of scope names with single spaces between (RFC 6749, section 3.3).")
	}
	m.ClientURI, m.LogoURI = link(m.ClientURI), link(m.LogoURI)
	return nil
}

// link returns an https URL as it is, and anything else, such as javascript:,
// as nothing.
func link(raw string) string {
	u, err := safefetch.CheckURL(raw, safefetch.Policy{})
	if err != nil || strings.ContainsAny(raw, `"'<>`) {
		return ""
	}
	return u.String()
}
