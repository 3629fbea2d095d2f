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

// endpoint is the URL of a path below the issuer.
func (s *Server) endpoint(path string) string { return s.issuer + path }

// routes are all there are. What programs call can be read by pages of any
// Origin: it takes no cookies, so that a page gets nothing for knowing it that
// any other program wouldn't. What people see, and introspection, can't.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	readable := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, anyOrigin(h))
		mux.Handle("OPTIONS "+path, preflight(method))
	}
	// RFC 8414, section 3.1, inserts the well-known path before the issuer's;
	// OpenID Connect Discovery, section 4, appends it. Clients try both.
	for _, document := range []string{wellKnownOAuth, wellKnownOpenID} {
		readable("GET", document+s.base, s.metadata())
		readable("GET", s.base+document, s.metadata())
	}
	readable("GET", s.base+pathKeys, s.keys)
	readable("GET", s.base, s.about())
	readable("POST", s.base+pathToken, http.HandlerFunc(s.token))
	readable("POST", s.base+pathRevoke, http.HandlerFunc(s.revoke))
	readable("POST", s.base+pathRegister, http.HandlerFunc(s.register))

	userinfo := s.userinfo()
	readable("GET", s.base+pathUserinfo, userinfo)
	mux.Handle("POST "+s.base+pathUserinfo, anyOrigin(userinfo))

	mux.HandleFunc("POST "+s.base+pathIntrospect, s.introspect)

	mux.HandleFunc("GET "+s.base+pathAuthorize, s.authorize)
	mux.HandleFunc("GET "+s.base+pathLogin, s.showLogin)
	mux.HandleFunc("POST "+s.base+pathLogin, s.login)
	mux.HandleFunc("GET "+s.base+pathConsent, s.showConsent)
	mux.HandleFunc("POST "+s.base+pathConsent, s.consent)
	mux.HandleFunc("GET "+s.base+pathStyle, style)
	return mux
}

// anyOrigin lets every page read an answer.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
		next.ServeHTTP(w, r)
	})
}

// preflight answers what browsers ask before a request that no form could send
// (Fetch, "CORS-preflight request").
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
