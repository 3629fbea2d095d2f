package authserver

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
)

// fuzzed is a server without a network, for fuzzing.
func fuzzed(f *testing.F) *Server {
	f.Helper()
	keys, err := sharedKeys()
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Config{
		Issuer: "http://localhost:8080/realms/mcp-realm", Keys: keys, PasswordCost: cheap,
	})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// FuzzF02_Redirect: whatever a redirect URI is, the browser is sent to a
// registered one or nowhere.
func FuzzF02_Redirect(f *testing.F) {
	s := fuzzed(f)
	for _, uri := range append(redirectTricks, testRedirect, "http://localhost:3000/callback") {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		query := url.Values{"client_id": {testClient}, "redirect_uri": {uri}, "response_type": {"none"}}
		r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/realms/mcp-realm"+pathAuthorize, nil)
		r.URL.RawQuery = query.Encode()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		location := w.Header().Get("Location")
		if location == "" {
			if w.Code != http.StatusBadRequest {
				t.Errorf("%q: %d", uri, w.Code)
			}
			return
		}
		u, err := url.Parse(location)
		if err != nil || u.User != nil || u.Scheme != "http" || u.Fragment != "" {
			t.Fatalf("%q leads to %q", uri, location)
		}
		where, registered := u.Hostname()+u.Path, []string{"127.0.0.1/callback", "::1/callback", "localhost/callback", "localhost/oauth/callback"}
		if !slices.Contains(registered, where) {
			t.Fatalf("%q leads to %q", uri, location)
		}
	})
}

// FuzzF04_AuthorizeParameters: whatever an authorization request is, it ends
// at the login page, at an error page, or at the client with an error, state
// and issuer; and never with a code.
func FuzzF04_AuthorizeParameters(f *testing.F) {
	s := fuzzed(f)
	good := url.Values{
		"response_type": {"code"}, "client_id": {testClient}, "redirect_uri": {testRedirect}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}, "scope": {"mcp:read"}, "state": {"s"}, "resource": {testResource},
	}.Encode()
	for _, query := range []string{good, good + "&state=x", good + "&prompt=none", good + "&max_age=1", strings.ReplaceAll(good, "S256", "plain"), good + "&resource=x", "", "client_id=%zz", ";"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/realms/mcp-realm"+pathAuthorize, nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		asked, _ := url.ParseQuery(query)
		switch w.Code {
		case http.StatusOK:
			if len(asked["code_challenge"]) == 0 || asked.Get("code_challenge_method") != "S256" || !strings.Contains(w.Body.String(), `name="password"`) {
				t.Errorf("%q got the login page", query)
			}
		case http.StatusBadRequest:
			if w.Header().Get("Location") != "" {
				t.Errorf("%q: an error page that redirects", query)
			}
		case http.StatusSeeOther:
			u, err := url.Parse(w.Header().Get("Location"))
			if err != nil || u.Query().Get("iss") != s.issuer || u.Query().Get("error") == "" || u.Query().Has("code") || len(asked["state"]) == 1 && u.Query().Get("state") != asked.Get("state") {
				t.Errorf("%q leads to %q", query, w.Header().Get("Location"))
			}
		default:
			t.Errorf("%q: %d", query, w.Code)
		}
	})
}

// FuzzG09_TokenForm: whatever a token request is, it is refused in the form of
// RFC 6749, or its token is good.
func FuzzG09_TokenForm(f *testing.F) {
	s := fuzzed(f)
	for _, body := range []string{
		"grant_type=password&client_id=mcp-test-client&username=mcp-user&password=user123&scope=mcp:read",
		"grant_type=authorization_code&client_id=mcp-test-client&code=x&redirect_uri=y&code_verifier=" + verifier,
		"grant_type=refresh_token&client_id=mcp-test-client&refresh_token=a.b",
		"grant_type=client_credentials&client_assertion=a.b.c&client_assertion_type=x", "grant_type=password&grant_type=password", "%", "",
	} {
		f.Add(body, "")
		f.Add(body, basic(serverClient, serverSecret))
	}
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r := httptest.NewRequest(http.MethodPost, "http://localhost:8080/realms/mcp-realm"+pathToken, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var said reply
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%q: %v, %q", body, err, w.Body)
		}
		switch w.Code {
		case http.StatusOK:
			if who, err := s.tokens.verifier.Verify(t.Context(), said.AccessToken); err != nil || who.Expires.Sub(s.now()) > accesstoken.MaxLifetime {
				t.Errorf("%q: %v", body, err)
			}
		case 400, 401, 413, 429, 503:
			if said.Error == "" || said.Description == "" || said.AccessToken != "" {
				t.Errorf("%q: %d %s", body, w.Code, w.Body)
			}
		default:
			t.Errorf("%q: %d", body, w.Code)
		}
	})
}
