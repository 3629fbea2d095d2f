package bearerauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// verify is a Verifier that takes one token.
type verify func(token string) (*principal.Principal, error)

func (v verify) Verify(_ context.Context, token string) (*principal.Principal, error) {
	return v(token)
}

const good = "good.token-._~+/=="

var errSecret = errors.New("SECRET: key 17 of /etc/keys says no")

func takesGood(token string) (*principal.Principal, error) {
	if token == good {
		return &principal.Principal{Subject: "alice"}, nil
	}
	return nil, errSecret
}

var challenge = Challenge{
	Realm:            "mcp",
	ResourceMetadata: "http://localhost:9000/.well-known/oauth-protected-resource/mcp",
	Scope:            "mcp:read",
}

// send sends a request with Authorization headers to what Require protects.
func send(v verify, target string, headers ...string) *httptest.ResponseRecorder {
	h := Require(v, challenge, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+principal.FromContext(r.Context()).Subject)
	}))
	r := httptest.NewRequest("POST", target, strings.NewReader(`{"access_token":"`+good+`"}`))
	r.Header["Authorization"] = headers
	r.AddCookie(&http.Cookie{Name: "access_token", Value: "good"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A form is a way to send credentials, and what it is answered with.
type form struct {
	headers []string
	status  int
	code    string // error in the challenge, "" for none
}

var forms = map[string]form{
	"good":                             {[]string{"Bearer " + good}, 200, ""},
	"B02 lower case":                   {[]string{"bearer " + good}, 200, ""},
	"B02 upper case":                   {[]string{"BEARER " + good}, 200, ""},
	"B02 mixed case":                   {[]string{"bEaReR " + good}, 200, ""},
	"B01 none":                         {nil, 401, ""},
	"B01 empty":                        {[]string{""}, 401, ""},
	"B02 Basic":                        {[]string{"Basic eDp5"}, 401, ""},
	"B02 DPoP":                         {[]string{"DPoP " + good}, 401, ""},
	"B02 the token alone":              {[]string{good}, 401, ""},
	"B02 another scheme's name":        {[]string{"Bearerx " + good}, 401, ""},
	"B02 with a colon":                 {[]string{"Bearer: " + good}, 401, ""},
	"B02 long s for an s":              {[]string{"ba\u017fic " + good}, 401, ""},
	"B02 no token":                     {[]string{"Bearer"}, 401, "invalid_token"},
	"B02 blank for a token":            {[]string{"Bearer "}, 401, "invalid_token"},
	"B02 two words":                    {[]string{"Bearer good token"}, 401, "invalid_token"},
	"B02 good, then a word":            {[]string{"Bearer " + good + " x"}, 401, "invalid_token"},
	"B02 two blanks":                   {[]string{"Bearer  " + good}, 401, "invalid_token"},
	"B02 blank at the end":             {[]string{"Bearer " + good + " "}, 401, "invalid_token"},
	"B02 tab":                          {[]string{"Bearer\t" + good}, 401, "invalid_token"},
	"B02 blank and tab":                {[]string{"Bearer \t" + good}, 401, "invalid_token"},
	"B02 quoted":                       {[]string{`Bearer "` + good + `"`}, 401, "invalid_token"},
	"B02 parameter":                    {[]string{`Bearer token="` + good + `"`}, 401, "invalid_token"},
	"B02 padding in the middle":        {[]string{"Bearer a=b"}, 401, "invalid_token"},
	"B02 padding alone":                {[]string{"Bearer ="}, 401, "invalid_token"},
	"B02 not ASCII":                    {[]string{"Bearer töken"}, 401, "invalid_token"},
	"B02 control character":            {[]string{"Bearer a\x00b"}, 401, "invalid_token"},
	"B02 line break":                   {[]string{"Bearer " + good + "\n"}, 401, "invalid_token"},
	"B02 line break and header":        {[]string{"Bearer a\r\nX-Evil: 1"}, 401, "invalid_token"},
	"B02 semicolon":                    {[]string{"Bearer a;b"}, 401, "invalid_token"},
	"B02 no-break space":               {[]string{"Bearer\u00a0" + good}, 401, ""},
	"wrong token":                      {[]string{"Bearer wrong"}, 401, "invalid_token"},
	"good in another case":             {[]string{"Bearer " + strings.ToUpper(good)}, 401, "invalid_token"},
	"B03 bad, then good":               {[]string{"Bearer wrong", "Bearer " + good}, 400, "invalid_request"},
	"B03 good, then bad":               {[]string{"Bearer " + good, "Bearer wrong"}, 400, "invalid_request"},
	"B03 good twice":                   {[]string{"Bearer " + good, "Bearer " + good}, 400, "invalid_request"},
	"B03 Basic, then good":             {[]string{"Basic eDp5", "Bearer " + good}, 400, "invalid_request"},
	"B03 empty, then good":             {[]string{"", "Bearer " + good}, 400, "invalid_request"},
	"B03 two in one, joined by comma":  {[]string{"Bearer wrong, Bearer " + good}, 400, "invalid_request"},
	"B03 Basic and good, by comma":     {[]string{"Basic eDp5, Bearer " + good}, 400, "invalid_request"},
	"B03 good and nothing, by a comma": {[]string{"Bearer " + good + ","}, 400, "invalid_request"},
}

func TestRS06_B01_B02_B03_Forms(t *testing.T) {
	for name, f := range forms {
		t.Run(name, func(t *testing.T) {
			w := send(takesGood, "/mcp", f.headers...)
			if w.Code != f.status {
				t.Fatalf("status %d, want %d", w.Code, f.status)
			}
			header := w.Header().Values("WWW-Authenticate")
			if f.status == http.StatusOK {
				if header != nil || w.Body.String() != "hello alice" {
					t.Errorf("let through with %q and %q", header, w.Body)
				}
				return
			}
			if len(header) != 1 {
				t.Fatalf("RS06: %d challenges", len(header))
			}
			scheme, got, err := parseChallenge(header[0])
			if err != nil {
				t.Fatalf("%v: %s", err, header[0])
			}
			description := got["error_description"]
			delete(got, "error_description")
			want := map[string]string{"realm": "mcp", "scope": "mcp:read", "resource_metadata": challenge.ResourceMetadata}
			if f.code != "" {
				want["error"] = f.code
			}
			if scheme != "Bearer" || !maps.Equal(got, want) || (description != "") != (f.code != "") {
				t.Errorf("challenge %s %q with the description %q, want %q", scheme, got, description, want)
			}
			body := map[string]string{}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body["error_description"] == "" {
				t.Errorf("body %q", w.Body)
			}
			if body["error"] != cmp.Or(f.code, "missing_token") {
				t.Errorf("the body says %q, the challenge %q", body["error"], f.code)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("a cache may keep the refusal")
			}
		})
	}
}

// RS14, J02: a caller learns neither why nor what was sent, and every bad token
// gets the same bytes.
func TestJ02_RefusalsTellNothing(t *testing.T) {
	bodies := map[string]string{}
	for name, f := range forms {
		if f.status == http.StatusOK {
			continue
		}
		w := send(takesGood, "/mcp", f.headers...)
		answer := fmt.Sprint(w.Code, w.Header(), w.Body)
		for _, secret := range []string{good, "wrong", "eDp5", "X-Evil", "SECRET", "/etc/keys"} {
			if strings.Contains(answer, secret) {
				t.Errorf("%s: %q is in the answer %s", name, secret, answer)
			}
		}
		if first, seen := bodies[f.code]; seen && first != answer {
			t.Errorf("%s: another answer than others with %q:\n%s\n%s", name, f.code, first, answer)
		}
		bodies[f.code] = answer
	}
	if len(bodies) != 3 {
		t.Errorf("%d kinds of refusals", len(bodies))
	}
}

// RS08, B04: a token anywhere else isn't looked at; send puts one into the
// body and a cookie too.
func TestB04_OnlyTheHeader(t *testing.T) {
	never := func(token string) (*principal.Principal, error) {
		t.Errorf("%q was verified", token)
		return nil, errSecret
	}
	for _, target := range []string{"/mcp?access_token=" + good, "/mcp?authorization=Bearer+" + good, "/mcp#access_token=" + good} {
		if w := send(never, target); w.Code != 401 || strings.Contains(w.Header().Get("WWW-Authenticate"), "error") {
			t.Errorf("%s: %d %q", target, w.Code, w.Header())
		}
	}
}

func TestOnlyAPrincipalLetsThrough(t *testing.T) {
	for name, v := range map[string]verify{
		"neither":            func(string) (*principal.Principal, error) { return nil, nil },
		"an error alone":     func(string) (*principal.Principal, error) { return nil, errSecret },
		"both":               func(string) (*principal.Principal, error) { return &principal.Principal{Subject: "eve"}, errSecret },
		"an error of no use": func(string) (*principal.Principal, error) { return &principal.Principal{}, errors.New("") },
	} {
		if w := send(v, "/mcp", "Bearer "+good); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "hello") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// RS05: each request stands for itself.
func TestRS05_EachRequestIsVerified(t *testing.T) {
	asked := 0
	v := func(token string) (*principal.Principal, error) {
		if asked++; asked > 2 {
			return nil, errSecret // revoked meanwhile
		}
		return &principal.Principal{Subject: token}, nil
	}
	for i, want := range []string{"hello a", "hello b"} {
		if w := send(v, "/mcp", "Bearer "+string("ab"[i])); w.Body.String() != want {
			t.Errorf("got %q, want %q", w.Body, want)
		}
	}
	if w := send(v, "/mcp", "Bearer a"); w.Code != http.StatusUnauthorized {
		t.Errorf("a good token stays good: %d", w.Code)
	}
}

func TestRS06_WithoutMetadata(t *testing.T) {
	// Step 6: nothing is there to point to yet.
	w := httptest.NewRecorder()
	Require(verify(takesGood), Challenge{Realm: "mcp"}, nil).ServeHTTP(w, httptest.NewRequest("POST", "/mcp", nil))
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != `Bearer realm="mcp"` {
		t.Errorf("%d %s", w.Code, got)
	}
}

func TestRS11_InsufficientScope(t *testing.T) {
	w := httptest.NewRecorder()
	challenge.InsufficientScope(w, httptest.NewRequest("POST", "/mcp", nil), "mcp:tools", "Ask for \"mcp:tools\" …\r\nX-Evil: 1\\")
	scheme, got, err := parseChallenge(w.Header().Get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"realm": "mcp", "error": "insufficient_scope", "scope": "mcp:tools", "resource_metadata": challenge.ResourceMetadata,
		"error_description": "Ask for mcp:tools X-Evil: 1", // RFC 6750, section 3: no quotes, no others than ASCII
	}
	if w.Code != http.StatusForbidden || scheme != "Bearer" || !maps.Equal(got, want) {
		t.Errorf("%d %s %q", w.Code, scheme, got)
	}
	if body := map[string]string{}; json.Unmarshal(w.Body.Bytes(), &body) != nil || body["error"] != "insufficient_scope" {
		t.Errorf("body %s", w.Body)
	}
}

// WA9: who asks for another form of bodies gets it, with the scopes to ask for.
func TestWA9_Body(t *testing.T) {
	var got []jsonreply.Refusal
	c := challenge
	c.Body = func(w http.ResponseWriter, _ *http.Request, refusal jsonreply.Refusal) {
		got = append(got, refusal)
		w.WriteHeader(refusal.Status)
	}
	r := httptest.NewRequest("POST", "/mcp", nil)
	Require(verify(takesGood), c, nil).ServeHTTP(httptest.NewRecorder(), r)
	c.InsufficientScope(httptest.NewRecorder(), r, "mcp:tools", "why")
	r.Header.Set("Authorization", "Bearer bad")
	Require(verify(takesGood), c, nil).ServeHTTP(httptest.NewRecorder(), r)
	for i, want := range []jsonreply.Refusal{
		{Status: 401, Code: "missing_token", Scope: "mcp:read"},
		{Status: 403, Code: "insufficient_scope", Scope: "mcp:tools"},
		{Status: 401, Code: "invalid_token", Scope: "mcp:read"},
	} {
		if got[i].Description == "" {
			t.Errorf("%d: no description", i)
		}
		if got[i].Description = ""; got[i] != want {
			t.Errorf("%d: %+v, want %+v", i, got[i], want)
		}
	}
}

// What reaches a verifier is one b64token or nothing, whatever was sent.
func FuzzJ03_Credentials(f *testing.F) {
	for _, c := range forms {
		f.Add(strings.Join(c.headers, "\x01"), len(c.headers))
	}
	b64token := regexp.MustCompile(`\A[-A-Za-z0-9._~+/]+=*\z`)
	f.Fuzz(func(t *testing.T, text string, n int) {
		headers := strings.SplitN(text, "\x01", max(1, min(n, 3)))
		if n == 0 {
			headers = nil
		}
		token, s := credentials(headers)
		if s != one && token != "" {
			t.Fatalf("%q: a token without credentials", headers)
		}
		if token == "" {
			return
		}
		if len(headers) != 1 || !b64token.MatchString(token) || !strings.EqualFold(headers[0], "Bearer "+token) || !strings.HasSuffix(headers[0], token) {
			t.Fatalf("%q was read as %q", headers, token)
		}
	})
}

// parseChallenge reads a challenge of one scheme in the strictest way that
// clients do: every value quoted, no name twice (RFC 9110, section 11.6.1; RFC
// 6750, section 3).
func parseChallenge(text string) (scheme string, parameters map[string]string, err error) {
	scheme, rest, _ := strings.Cut(text, " ")
	parameters = map[string]string{}
	part := regexp.MustCompile(`^([a-z_]+)="([\x20-\x21\x23-\x5b\x5d-\x7e]*)"(?:, |$)`)
	for rest != "" {
		match := part.FindStringSubmatch(rest)
		if match == nil {
			return "", nil, fmt.Errorf("unreadable from %q on", rest)
		}
		if _, twice := parameters[match[1]]; twice {
			return "", nil, fmt.Errorf("%s is there twice", match[1])
		}
		parameters[match[1]] = match[2]
		rest = rest[len(match[0]):]
	}
	return scheme, parameters, nil
}

type undecided struct{ error }

func (undecided) RetryAfter() time.Duration { return 2500 * time.Millisecond }

// WC7: a token that can't be judged yet is answered with 503, not 401, which
// would make its client throw it away.
func TestWC7_Undecided(t *testing.T) {
	w := send(func(string) (*principal.Principal, error) {
		return nil, fmt.Errorf("wrapped: %w", undecided{errSecret})
	}, "/mcp", "Bearer x")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "3" || w.Header().Get("WWW-Authenticate") != "" ||
		!strings.Contains(w.Body.String(), "temporarily_unavailable") || strings.Contains(w.Body.String(), "SECRET") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
