package issuercheck

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/pkce"
)

// Feature is one cell of the table of providers.
type Feature struct {
	Column string `json:"column"` // of the table
	Name   string `json:"name"`
	Value  string `json:"value"` // yes, no, or unknown
	Said   string `json:"said"`  // what the metadata has
	Means  string `json:"means"` // for a client
}

// What a cell can say.
const (
	yes     = "yes"
	no      = "no"
	unknown = "unknown"
)

func is(condition bool) string {
	if condition {
		return yes
	}
	return no
}

// row is what the metadata says, in the order of the table.
func (c *checker) row() []Feature {
	return []Feature{
		c.pkce(), c.place("RFC 8414", "RFC 8414"), c.place("OpenID", "OpenID discovery"),
		either(c.server.RegistrationEndpoint != "", "RFC 7591", "RFC 7591 registration",
			finding{c.server.RegistrationEndpoint, "Clients can register, if it takes requests without a token. That was not tried."},
			finding{"no registration_endpoint", "Register each client by hand, and give it the client_id (step 11: --client-id)."}),
		{
			Column: "RFC 8707", Name: "RFC 8707 resource indicators", Value: unknown, Said: "metadata has no member for it",
			Means: "Clients send resource. See the provider's page for whether it decides aud.",
		},
		either(c.server.IssParameter, "RFC 9207", "RFC 9207 iss in answers",
			finding{"authorization_response_iss_parameter_supported", "Clients can tell which issuer answered."},
			finding{"not promised", "A client that uses several issuers can't tell which one answered."}),
		either(c.server.MetadataDocuments, "CIMD", "Client ID Metadata Documents",
			finding{"client_id_metadata_document_supported", "A client can use the URL of its document as client_id."},
			finding{"not promised", "Clients don't use the URL of a document as client_id here."}),
		c.authentication(),
		either(c.found.Introspection != "", "RFC 7662", "RFC 7662 introspection",
			finding{c.found.Introspection, "Step 10 can ask about opaque tokens (INTROSPECTION_CLIENT_ID)."},
			finding{"no introspection_endpoint", "Step 10 needs access tokens that are JWTs."}),
	}
}

// finding is what the metadata has, and what it means for a client.
type finding struct{ said, means string }

// either is a feature that the metadata has, or doesn't have.
func either(has bool, column, name string, present, absent finding) Feature {
	if !has {
		return Feature{column, name, no, absent.said, absent.means}
	}
	return Feature{column, name, yes, present.said, present.means}
}

func (c *checker) pkce() Feature {
	f := Feature{Column: "PKCE", Name: "PKCE with S256", Value: is(slices.Contains(c.server.CodeChallengeMethods, pkce.Method))}
	switch {
	case c.server.CodeChallengeMethods == nil:
		f.Said, f.Means = "no code_challenge_methods_supported", "Clients that follow MCP stop here, even if it supports PKCE."
	case f.Value == no:
		f.Said, f.Means = quoted(c.server.CodeChallengeMethods), "Clients that follow MCP stop here: S256 is missing."
	default:
		f.Said, f.Means = quoted(c.server.CodeChallengeMethods), "Clients can protect their codes."
	}
	return f
}

// place sums up the places of one kind.
func (c *checker) place(kind, name string) Feature {
	f := Feature{Column: kind, Name: name, Value: no, Said: "no metadata there"}
	for _, place := range c.report.Places {
		if strings.HasPrefix(place.Form, kind) && (place.Found || c.found != nil && place.URL == c.found.Address) {
			f.Value, f.Said = yes, "metadata is at "+place.URL
			break
		}
	}
	switch {
	case f.Value == yes:
		f.Means = "Clients that look there find it."
	case kind == "RFC 8414":
		f.Means = "Clients must look at OpenID's places too, as MCP demands; older ones find nothing."
	default:
		f.Means = "Clients that look there alone find nothing."
	}
	return f
}

func (c *checker) authentication() Feature {
	methods := c.server.TokenAuthMethods
	f := Feature{
		Column: "public clients", Name: "clients without a secret", Value: is(slices.Contains(methods, clientauth.None)),
		Said: quoted(methods),
	}
	switch {
	case methods == nil: // RFC 8414, section 2
		f.Value, f.Said = unknown, "no token_endpoint_auth_methods_supported"
		f.Means = "The default is client_secret_basic. Many providers take public clients without saying so."
	case f.Value == yes:
		f.Means = "Programs on a user's machine can be public clients, with PKCE."
	default:
		f.Means = "Not listed. A client needs a secret or a key, unless the provider takes public clients without saying so."
	}
	return f
}

func quoted(list []string) string { return fmt.Sprintf("%q", []string(list)) }

// Keys is the state of the key set.
type Keys struct {
	URL        string   `json:"url"`
	Usable     int      `json:"usable"`
	Algorithms []string `json:"algorithms,omitempty"`
	Notes      []string `json:"notes,omitempty"`    // nothing to worry about
	Problems   []string `json:"problems,omitempty"` // that may keep tokens out
}

// keyHealth says what is odd in a key set.
func keyHealth(address string, set jwks.Set, leftOut []error, err error) *Keys {
	k := &Keys{URL: address, Usable: len(set)}
	if err != nil && !errors.Is(err, jwks.ErrUnusable) {
		k.Problems = append(k.Problems, "it can't be read: "+short(err, address))
		return k
	}
	seen := map[string]int{}
	for _, key := range set {
		if !slices.Contains(k.Algorithms, key.Algorithm) {
			k.Algorithms = append(k.Algorithms, key.Algorithm)
		}
		switch seen[key.ID+"\n"+key.Algorithm]++; {
		case key.ID == "":
			k.Problems = append(k.Problems, "a key has no kid: no token can name it")
		case seen[key.ID+"\n"+key.Algorithm] == 2:
			k.Problems = append(k.Problems, fmt.Sprintf("different keys for %s have the id %.64q: tokens that name it are refused",
				key.Algorithm, key.ID))
		case key.Assumed:
			k.Notes = append(k.Notes, fmt.Sprintf("the key %.64q states no alg: step 10 takes %s, "+
				"or the first that JWT_ALGORITHMS lists and that fits", key.ID, key.Algorithm))
		}
	}
	for _, reason := range leftOut {
		text := "left out: " + reason.Error()
		if strings.Contains(text, "want sig") || strings.Contains(text, "key_ops") {
			k.Notes = append(k.Notes, text) // it is for something else
		} else {
			k.Problems = append(k.Problems, text)
		}
	}
	return k
}

// google is the issuer whose tokens nobody else can read, whatever its metadata says.
const google = "https://accounts.google.com"

// suggest fills in the settings of step 10 that fit.
func (c *checker) suggest() {
	issuer := c.server.Issuer
	for _, preset := range dialect.ForIssuer(issuer) {
		c.report.Dialects = append(c.report.Dialects, preset.Name)
	}
	if issuer == google {
		c.report.Server = Verdict{Problem: "its access tokens are opaque and it has no introspection (RFC 7662), so none of them can be checked",
			Do: "let an authorization server of your own issue the tokens, with Google as its login"}
		return
	}
	if len(c.report.Dialects) == 0 {
		c.report.Dialects = []string{"rfc9068"}
	}
	if strings.Contains(issuer, "{") {
		return // it is a template, and no issuer
	}
	c.report.Settings = []string{"JWT_ISSUER=" + issuer, "JWT_DIALECT=" + c.report.Dialects[0]}
	if keys := c.report.Keys; keys != nil && len(keys.Algorithms) > 0 && !slices.Equal(keys.Algorithms, []string{"RS256"}) {
		c.report.Settings = append(c.report.Settings, "JWT_ALGORITHMS="+strings.Join(keys.Algorithms, ","))
	}
}
