package authserver

import (
	"net/http"

	"mcp-auth-step-by-step/internal/web/cors"
)

// Paths below the issuer. They are Keycloak's.
const (
	pathAuthorize  = "/protocol/openid-connect/auth"
	pathToken      = "/protocol/openid-connect/token"
	pathIntrospect = "/protocol/openid-connect/token/introspect"
	pathRevoke     = "/protocol/openid-connect/revoke"
	pathUserinfo   = "/protocol/openid-connect/userinfo"
	pathKeys       = "/protocol/openid-connect/certs"
	pathRegister   = "/clients-registrations/openid-connect"
	pathLogin      = "/login-actions/authenticate"
	pathConsent    = "/login-actions/consent"
	pathUpstream   = "/broker/upstream/endpoint"
	pathStyle      = "/resources/style.css"

	pathApplications = "/account/applications"

	wellKnownOAuth  = "/.well-known/oauth-authorization-server"
	wellKnownOpenID = "/.well-known/openid-configuration"
)

// routes are all that there are. Pages of any Origin can read the endpoints for
// programs: these take no cookies, so a page gets nothing that another program
// wouldn't get. The pages for people and introspection can't be read.
func (s *Server) routes() http.Handler {
	mux, base := http.NewServeMux(), s.base()
	readable := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, cors.ExposeToAll(h))
		mux.Handle("OPTIONS "+path, cors.PreflightToAll(method))
	}
	// RFC 8414, section 3.1, inserts the well-known path before the issuer's;
	// OpenID Connect Discovery, section 4, appends it. Clients try both.
	for _, document := range []string{wellKnownOAuth, wellKnownOpenID} {
		readable("GET", document+base, s.metadata())
		readable("GET", base+document, s.metadata())
	}
	readable("GET", base+pathKeys, s.tokens.keys)
	readable("GET", base, http.HandlerFunc(s.about))
	readable("POST", base+pathToken, s.api("token refused", s.token))
	readable("POST", base+pathRevoke, s.api("revocation refused", s.revoke))
	readable("POST", base+pathRegister, s.api("registration refused", s.register))

	userinfo := s.userinfo()
	readable("GET", base+pathUserinfo, userinfo)
	mux.Handle("POST "+base+pathUserinfo, cors.ExposeToAll(userinfo))

	mux.Handle("POST "+base+pathIntrospect, s.api("introspection refused", s.introspect))

	mux.Handle("GET "+base+pathAuthorize, s.browse(s.authorize))
	mux.Handle("POST "+base+pathAuthorize, s.browse(s.authorizeByPost))
	mux.Handle("GET "+base+pathLogin, s.browse(s.showLogin))
	mux.Handle("POST "+base+pathLogin, s.browse(s.login))
	mux.Handle("GET "+base+pathConsent, s.browse(s.showConsent))
	mux.Handle("POST "+base+pathConsent, s.browse(s.consent))
	if s.upstream != nil {
		mux.Handle("GET "+base+pathUpstream, s.browse(s.back))
	}
	mux.Handle("GET "+base+pathApplications, s.browse(s.showApplications))
	mux.Handle("POST "+base+pathApplications, s.browse(s.changeApplications))
	mux.HandleFunc("GET "+base+pathStyle, style)
	return mux
}
