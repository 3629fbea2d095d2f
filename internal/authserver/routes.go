package authserver

import "net/http"

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
	pathStyle      = "/resources/style.css"

	wellKnownOAuth  = "/.well-known/oauth-authorization-server"
	wellKnownOpenID = "/.well-known/openid-configuration"
)

// routes are all that there are. Pages of any Origin can read the endpoints for
// programs: these take no cookies, so a page gets nothing that another program
// wouldn't get. The pages for people and introspection can't be read.
func (s *Server) routes() http.Handler {
	mux, base := http.NewServeMux(), s.base()
	readable := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, anyOrigin(h))
		mux.Handle("OPTIONS "+path, preflight(method))
	}
	// RFC 8414, section 3.1, inserts the well-known path before the issuer's;
	// OpenID Connect Discovery, section 4, appends it. Clients try both.
	for _, document := range []string{wellKnownOAuth, wellKnownOpenID} {
		readable("GET", document+base, s.metadata())
		readable("GET", base+document, s.metadata())
	}
	readable("GET", base+pathKeys, s.tokens.keys)
	readable("GET", base, s.about())
	readable("POST", base+pathToken, s.api("token refused", s.token))
	readable("POST", base+pathRevoke, s.api("revocation refused", s.revoke))
	readable("POST", base+pathRegister, s.api("registration refused", s.register))

	userinfo := s.userinfo()
	readable("GET", base+pathUserinfo, userinfo)
	mux.Handle("POST "+base+pathUserinfo, anyOrigin(userinfo))

	mux.Handle("POST "+base+pathIntrospect, s.api("introspection refused", s.introspect))

	mux.Handle("GET "+base+pathAuthorize, s.browse(s.authorize))
	mux.Handle("POST "+base+pathAuthorize, s.browse(s.authorizeByPost))
	mux.Handle("GET "+base+pathLogin, s.browse(s.showLogin))
	mux.Handle("POST "+base+pathLogin, s.browse(s.login))
	mux.Handle("GET "+base+pathConsent, s.browse(s.showConsent))
	mux.Handle("POST "+base+pathConsent, s.browse(s.consent))
	mux.HandleFunc("GET "+base+pathStyle, style)
	return mux
}

// anyOrigin lets pages of every Origin read a response.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
		next.ServeHTTP(w, r)
	})
}

// preflight answers the question that browsers ask before a request which no
// form could send (Fetch, "CORS-preflight request").
func preflight(method string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Allow", method+", OPTIONS")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", method)
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, MCP-Protocol-Version")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}
