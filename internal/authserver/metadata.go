package authserver

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// document is both the metadata of RFC 8414, section 2, and that of OpenID
// Connect Discovery, section 3.
type document struct {
	Issuer                       string   `json:"issuer"`
	AuthorizationEndpoint        string   `json:"authorization_endpoint"`
	TokenEndpoint                string   `json:"token_endpoint"`
	JWKSURI                      string   `json:"jwks_uri"`
	RegistrationEndpoint         string   `json:"registration_endpoint"`
	RevocationEndpoint           string   `json:"revocation_endpoint"`
	IntrospectionEndpoint        string   `json:"introspection_endpoint"`
	UserinfoEndpoint             string   `json:"userinfo_endpoint"`
	ScopesSupported              []string `json:"scopes_supported"`
	ResponseTypesSupported       []string `json:"response_types_supported"`
	ResponseModesSupported       []string `json:"response_modes_supported"`
	GrantTypesSupported          []string `json:"grant_types_supported"`
	TokenAuthMethods             []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms          []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethods        []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgorithms     []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthMethods     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgorithms  []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	CodeChallengeMethods         []string `json:"code_challenge_methods_supported"`
	IssInResponse                bool     `json:"authorization_response_iss_parameter_supported"`
	ClientIDMetadataDocument     bool     `json:"client_id_metadata_document_supported"`
	SubjectTypesSupported        []string `json:"subject_types_supported"`
	IDTokenAlgorithms            []string `json:"id_token_signing_alg_values_supported"`
	ClaimsSupported              []string `json:"claims_supported"`
	PromptValuesSupported        []string `json:"prompt_values_supported"`
	RequestParameterSupported    bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported bool     `json:"request_uri_parameter_supported"`
	ClaimsParameterSupported     bool     `json:"claims_parameter_supported"`
}

// metadata says where the endpoints are. All URLs in it follow from the issuer
// in the configuration, and none from the request.
func (s *Server) metadata() http.Handler {
	scopes := []string{openID}
	for _, scope := range s.realm.Scopes {
		if s.scopes.shown(scope.Name) {
			scopes = append(scopes, scope.Name)
		}
	}
	grants := []string{clientmetadata.GrantCode, clientmetadata.GrantRefresh, clientmetadata.GrantClientCredentials}
	for _, c := range s.clients.inFile {
		if c.AllowsGrant(grantPassword) && !slices.Contains(grants, grantPassword) {
			grants = append(grants, grantPassword)
		}
	}
	confidential := []string{clientauth.Basic, clientauth.Post, clientauth.PrivateKeyJWT}
	everybody := append([]string{clientauth.None}, confidential...)
	body, err := json.MarshalIndent(document{
		Issuer:                      s.issuer,
		AuthorizationEndpoint:       s.endpoint(pathAuthorize),
		TokenEndpoint:               s.endpoint(pathToken),
		JWKSURI:                     s.endpoint(pathKeys),
		RegistrationEndpoint:        s.endpoint(pathRegister),
		RevocationEndpoint:          s.endpoint(pathRevoke),
		IntrospectionEndpoint:       s.endpoint(pathIntrospect),
		UserinfoEndpoint:            s.endpoint(pathUserinfo),
		ScopesSupported:             scopes,
		ResponseTypesSupported:      []string{"code"},
		ResponseModesSupported:      []string{"query"},
		GrantTypesSupported:         grants,
		TokenAuthMethods:            everybody,
		TokenAuthAlgorithms:         clientassertion.Algorithms,
		RevocationAuthMethods:       everybody,
		RevocationAuthAlgorithms:    clientassertion.Algorithms,
		IntrospectionAuthMethods:    confidential,
		IntrospectionAuthAlgorithms: clientassertion.Algorithms,
		CodeChallengeMethods:        []string{"S256"},
		IssInResponse:               true,
		ClientIDMetadataDocument:    s.advertiseDocuments,
		SubjectTypesSupported:       []string{"public"},
		IDTokenAlgorithms:           []string{"RS256"},
		ClaimsSupported: []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash",
			"preferred_username", "name", "given_name", "family_name", "email", "email_verified"},
		PromptValuesSupported: promptValues,
	}, "", "  ")
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	body = append(body, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(body)
	})
}

// about describes the realm in Keycloak's form, so that a health check or a
// person at that URL sees that the server runs.
func (s *Server) about(w http.ResponseWriter, _ *http.Request) {
	signing, _ := s.tokens.keys.current()
	public, err := x509.MarshalPKIXPublicKey(&signing.PublicKey)
	if err != nil {
		errInternal.write(w)
		return
	}
	jsonreply.Write(w, http.StatusOK, map[string]any{
		"realm":             s.realm.Name,
		"public_key":        base64.StdEncoding.EncodeToString(public),
		"token-service":     s.endpoint("/protocol/openid-connect"),
		"tokens-not-before": 0,
	})
}
