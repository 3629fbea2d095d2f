package keycloak

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

const (
	adminPassword = "canary-admin-password"
	adminToken    = "canary-admin-token"
)

// fake answers as a Keycloak would whose lists are kept by their paths: a POST
// to a list adds to it, a PUT below it replaces. It knows one realm.
type fake struct {
	*httptest.Server
	t *testing.T

	mu          sync.Mutex
	name        string // of the realm; empty: there is none yet
	realm       object
	lists       map[string][]object
	writes      []string // all that changed something, as method and path
	parsed      *realm.Realm
	noDocuments bool   // whether the feature cimd is off
	base        string // what the issuer starts with; empty: frontendUrl, or the server's own address

	// What is wrong with it.
	forbidden, noPKCE, anyResource, noAudience, allScopes, wrongSecret bool
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, lists: map[string][]object{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	prefix := "/realms/" + f.name
	switch path := r.URL.Path; {
	case path == "/realms/master":
		reply(w, http.StatusOK, object{"realm": "master", "token-service": "there"})
	case path == "/realms/master"+pathToken:
		f.logIn(w, r)
	case strings.HasPrefix(path, "/admin/realms"):
		f.admin(w, r, strings.TrimPrefix(path, "/admin/realms"))
	case path == "/realms/master/.well-known/openid-configuration":
		reply(w, http.StatusOK, object{"client_id_metadata_document_supported": !f.noDocuments})
	case f.name != "" && (path == prefix+"/.well-known/openid-configuration" || path == "/.well-known/oauth-authorization-server"+prefix):
		reply(w, http.StatusOK, object{
			"issuer": f.issuer(), "registration_endpoint": "there", "code_challenge_methods_supported": []string{"plain", "S256"},
			"authorization_response_iss_parameter_supported": true, "client_id_metadata_document_supported": true,
		})
	case f.name != "" && path == prefix+pathAuthorize:
		if f.noPKCE {
			_, _ = io.WriteString(w, "log in")
			return
		}
		http.Redirect(w, r, r.FormValue("redirect_uri")+"?error=invalid_request", http.StatusFound)
	case f.name != "" && path == prefix+pathToken:
		f.token(w, r)
	case f.name != "" && path == prefix+pathIntrospect:
		_, secret, _ := r.BasicAuth()
		reply(w, http.StatusOK, object{"active": secret == "demo-secret-change-me" && !f.wrongSecret})
	case f.name != "" && path == prefix+pathRevoke:
	default:
		http.NotFound(w, r)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (f *fake) issuer() string {
	attributes, _ := f.realm["attributes"].(object)
	base := f.URL
	if frontend, _ := attributes["frontendUrl"].(string); frontend != "" {
		base = frontend
	}
	if f.base != "" {
		base = f.base
	}
	return base + "/realms/" + f.name
}

func (f *fake) logIn(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("username") != "root" || r.PostFormValue("password") != adminPassword {
		reply(w, http.StatusUnauthorized, object{"error": "invalid_grant", "error_description": "Invalid user credentials"})
		return
	}
	reply(w, http.StatusOK, object{"access_token": adminToken, "expires_in": 60})
}

func (f *fake) admin(w http.ResponseWriter, r *http.Request, path string) {
	if r.Header.Get("Authorization") != "Bearer "+adminToken {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	if f.forbidden {
		reply(w, http.StatusForbidden, object{"error": "unknown_error"})
		return
	}
	if r.Method != http.MethodGet {
		f.writes = append(f.writes, r.Method+" "+path)
	}
	if path == "" {
		var wanted object
		f.read(r, &wanted)
		f.importRealm(wanted)
		w.WriteHeader(http.StatusCreated)
		return
	}
	path, known := strings.CutPrefix(path, "/"+f.name)
	if f.name == "" || !known {
		http.NotFound(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.show(w, r, path)
	case http.MethodPost:
		f.add(r, path)
	case http.MethodPut:
		f.replace(r, path)
	}
}

func (f *fake) read(r *http.Request, into any) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		f.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
}

func (f *fake) show(w http.ResponseWriter, r *http.Request, path string) {
	switch {
	case path == "":
		reply(w, http.StatusOK, f.realm)
	case strings.HasPrefix(path, "/client-policies/"):
		kind := strings.TrimPrefix(path, "/client-policies/")
		reply(w, http.StatusOK, object{kind: f.list(path)})
	case strings.HasSuffix(path, "/service-account-user"):
		reply(w, http.StatusOK, object{"id": "user-service-account-echo-mcp-server"})
	default:
		found := f.list(path)
		for name, value := range map[string]string{"clientId": r.FormValue("clientId"), "username": r.FormValue("username")} {
			if value != "" {
				found = slices.DeleteFunc(slices.Clone(found), func(o object) bool { return o[name] != value })
			}
		}
		reply(w, http.StatusOK, found)
	}
}

// list never is null in JSON.
func (f *fake) list(path string) []object { return append([]object{}, f.lists[path]...) }

func (f *fake) add(r *http.Request, path string) {
	var body any
	f.read(r, &body)
	if one, ok := body.(object); ok {
		f.put(path, one)
		return
	}
	for _, one := range objects(body) {
		f.put(path, one)
	}
}

// put adds to a list, and to the scope that a mapper is of.
func (f *fake) put(path string, o object) {
	o = without(o)
	o["id"] = idOf(path, o)
	if scope, _, ok := strings.Cut(strings.TrimPrefix(path, "/client-scopes/"), "/protocol-mappers"); ok {
		for _, s := range f.lists["/client-scopes"] {
			if s["id"] == scope {
				list, _ := s["protocolMappers"].([]any)
				s["protocolMappers"] = append(list, o)
			}
		}
	}
	f.lists[path] = append(f.lists[path], o)
}

// idOf is an id that can be told by looking at it.
func idOf(path string, o object) string {
	kind := map[string]string{"/client-scopes": "scope-", "/clients": "client-", "/users": "user-"}[path]
	return kind + cmp.Or(text(o, "clientId"), text(o, "username"), text(o, "name"))
}

func (f *fake) replace(r *http.Request, path string) {
	if kind, ok := strings.CutPrefix(path, "/client-policies/"); ok {
		var body object
		f.read(r, &body)
		f.lists[path] = objects(body[kind])
		return
	}
	if path == "" {
		var body object
		f.read(r, &body)
		f.realm = merged(f.realm, body)
		return
	}
	at := strings.LastIndex(path, "/")
	list, id := path[:at], path[at+1:]
	if strings.HasSuffix(list, "-client-scopes") { // an assignment
		f.lists[list] = append(f.lists[list], object{"id": id, "name": strings.TrimPrefix(id, "scope-")})
		return
	}
	var body object
	f.read(r, &body)
	for i, o := range f.lists[list] {
		if o["id"] == id || o["name"] == id {
			f.lists[list][i] = body
		}
	}
}

// importRealm takes a whole realm apart, as Keycloak does.
func (f *fake) importRealm(wanted object) {
	var err error
	if f.parsed, err = (&realm.File{Members: wanted}).Realm(); err != nil {
		f.t.Error(err)
		return
	}
	f.name = f.parsed.Name
	f.realm = merged(wanted, object{"id": "realm-id"})
	for _, s := range objects(wanted["clientScopes"]) {
		f.put("/client-scopes", s)
		for _, m := range objects(s["protocolMappers"]) {
			f.lists["/client-scopes/scope-"+text(s, "name")+"/protocol-mappers/models"] = append(f.lists["/client-scopes/scope-"+text(s, "name")+"/protocol-mappers/models"], m)
		}
	}
	assign := func(path string, names any) {
		for _, name := range texts(names) {
			f.lists[path] = append(f.lists[path], object{"id": "scope-" + name, "name": name})
		}
	}
	assign("/default-default-client-scopes", wanted["defaultDefaultClientScopes"])
	assign("/default-optional-client-scopes", wanted["defaultOptionalClientScopes"])
	for _, c := range objects(wanted["clients"]) {
		f.put("/clients", c)
		assign("/clients/client-"+text(c, "clientId")+"/default-client-scopes", c["defaultClientScopes"])
		assign("/clients/client-"+text(c, "clientId")+"/optional-client-scopes", c["optionalClientScopes"])
	}
	f.importRoles(wanted)
	for kind, list := range wanted["components"].(object) {
		for _, c := range objects(list) {
			c["providerType"] = kind
			f.put("/components", merged(c, object{"parentId": "realm-id"}))
		}
	}
	f.lists["/client-policies/profiles"] = objects(wanted["clientProfiles"].(object)["profiles"])
	f.lists["/client-policies/policies"] = objects(wanted["clientPolicies"].(object)["policies"])
}

func (f *fake) importRoles(wanted object) {
	grant := func(path string, byClient any) {
		roles, _ := byClient.(object)
		for client, names := range roles {
			for _, name := range texts(names) {
				f.lists[path+"client-"+client] = append(f.lists[path+"client-"+client], object{"name": name})
			}
		}
	}
	for client, roles := range wanted["roles"].(object)["client"].(object) {
		for _, role := range objects(roles) {
			f.put("/clients/client-"+client+"/roles", role)
		}
	}
	for client, mappings := range wanted["clientScopeMappings"].(object) {
		for _, m := range objects(mappings) {
			grant("/client-scopes/scope-"+text(m, "clientScope")+"/scope-mappings/clients/", object{client: m["roles"]})
		}
	}
	for _, u := range objects(wanted["users"]) {
		f.put("/users", without(u, "clientRoles", "credentials"))
		grant("/users/user-"+text(u, "username")+"/role-mappings/clients/", u["clientRoles"])
	}
}

// token is the token endpoint. Nobody looks at the signatures.
func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	if target := r.FormValue("resource"); target != "" && target != f.parsed.Audience() && !f.anyResource {
		reply(w, http.StatusBadRequest, object{"error": "invalid_target"})
		return
	}
	user := realm.User{Username: "service"}
	if r.FormValue("grant_type") == "password" {
		at := slices.IndexFunc(f.parsed.Users, func(u realm.User) bool {
			return u.Username == r.FormValue("username") && u.Password == r.FormValue("password")
		})
		if at < 0 {
			reply(w, http.StatusUnauthorized, object{"error": "invalid_grant"})
			return
		}
		user = f.parsed.Users[at]
	}
	var scopes []string
	for _, name := range strings.Fields(r.FormValue("scope")) {
		if s, ok := f.parsed.Scope(name); ok && (user.HasAny(s.Roles) || f.allScopes) {
			scopes = append(scopes, name)
		}
	}
	said := object{
		"iss": f.issuer(), "aud": f.parsed.Audience(), "sub": "s", "azp": r.FormValue("client_id"),
		"preferred_username": user.Username, "scope": strings.Join(scopes, " "),
	}
	if f.noAudience {
		said["aud"] = []string{"account"}
	}
	payload, _ := json.Marshal(said)
	reply(w, http.StatusOK, object{
		"access_token":  "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString(payload) + ".canary-signature",
		"refresh_token": "canary-refresh-token", "scope": strings.Join(scopes, " "),
	})
}

// options are those for a fake.
func (f *fake) options(environment ...string) Options {
	return Options{URL: f.URL, AdminUser: "root", AdminPassword: adminPassword, Getenv: func(name string) string {
		for _, e := range environment {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}}
}

// run runs and returns all that was said, and makes sure that nothing secret is
// among it.
func run(t *testing.T, o Options) (said string, err error) {
	t.Helper()
	var out strings.Builder
	err = Run(t.Context(), o, &out)
	said = out.String()
	for _, secret := range []string{"canary", "admin123", "user123", "readonly123", "demo-secret", url.QueryEscape(adminPassword)} {
		if strings.Contains(said+fmt.Sprint(err), secret) {
			t.Errorf("J01: %q is in what was said:\n%s\n%v", secret, said, err)
		}
	}
	return said, err
}
