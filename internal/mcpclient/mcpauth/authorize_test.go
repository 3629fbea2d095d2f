package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/pkce"
)

// RFC 9207, section 2.4, and MCP's table: what an answer may say.
func TestMC10_I05_TheAnswer(t *testing.T) {
	const issuer = "https://as.example/realm"
	good := url.Values{"state": {"s"}, "code": {"c"}, "iss": {issuer}}
	for name, c := range map[string]struct {
		change     func(url.Values)
		advertised bool
		want       error // nil: the code is taken
	}{
		"as it should be":             {func(url.Values) {}, true, nil},
		"iss, not advertised":         {func(url.Values) {}, false, nil},
		"no iss, not advertised":      {func(v url.Values) { v.Del("iss") }, false, nil},
		"no iss, though advertised":   {func(v url.Values) { v.Del("iss") }, true, ErrIssuer},
		"another iss":                 {func(v url.Values) { v.Set("iss", "https://evil.example") }, true, ErrIssuer},
		"another iss, not advertised": {func(v url.Values) { v.Set("iss", "https://evil.example") }, false, ErrIssuer},
		"a slash more":                {func(v url.Values) { v.Set("iss", issuer+"/") }, true, ErrIssuer},
		"another case":                {func(v url.Values) { v.Set("iss", "https://AS.example/realm") }, true, ErrIssuer},
		"the default port":            {func(v url.Values) { v.Set("iss", "https://as.example:443/realm") }, true, ErrIssuer},
		"an escape more":              {func(v url.Values) { v.Set("iss", "https://as.example/%72ealm") }, true, ErrIssuer},
		"an empty iss":                {func(v url.Values) { v.Set("iss", "") }, false, ErrIssuer},
		"two iss":                     {func(v url.Values) { v.Add("iss", issuer) }, true, ErrState},
		"an error of another issuer":  {func(v url.Values) { v.Set("error", "x"); v.Set("iss", "https://evil.example") }, true, ErrIssuer},
		"an error of nobody":          {func(v url.Values) { v.Set("error", "x"); v.Del("iss") }, true, ErrIssuer},
		"another state":               {func(v url.Values) { v.Set("state", "t") }, true, ErrState},
		"no state":                    {func(v url.Values) { v.Del("state") }, true, ErrState},
		"two states":                  {func(v url.Values) { v.Add("state", "s") }, true, ErrState},
		"two codes":                   {func(v url.Values) { v.Add("code", "d") }, true, ErrState},
		"state before iss":            {func(v url.Values) { v.Set("state", "t"); v.Set("iss", "https://evil.example") }, true, ErrState},
	} {
		t.Run(name, func(t *testing.T) {
			answer := url.Values{}
			for key, values := range good {
				answer[key] = append([]string{}, values...)
			}
			c.change(answer)
			request := &authorizationRequest{server: &AuthorizationServer{Issuer: issuer, IssParameter: c.advertised}, state: "s"}
			code, err := request.check(answer)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || (code == "c") != (c.want == nil) {
				t.Errorf("got %q, %v", code, err)
			}
		})
	}
}

// What the browser brings decides whether the code goes anywhere.
func TestMC10_I05_NoTokenRequest(t *testing.T) {
	for name, change := range map[string]func(url.Values){
		"a wrong iss": func(v url.Values) { v.Set("iss", "https://evil.example") },
		"no iss":      func(v url.Values) { v.Del("iss") },
		"a slash":     func(v url.Values) { v.Set("iss", v.Get("iss")+"/") },
		"an error": func(v url.Values) {
			v.Del("code")
			v.Set("iss", "https://evil.example")
			v.Set("error", "x")
			v.Set("error_description", "go to evil.example")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.answer = change
			_, err := post(t, r.client(), r.url(), "x")
			if _, _, tokens := r.as.count(); !errors.Is(err, ErrIssuer) || tokens != 0 {
				t.Errorf("got %v after %d token requests", err, tokens)
			}
			if strings.Contains(err.Error(), "go to") {
				t.Error("the error of another issuer is shown")
			}
		})
	}
}

func TestMC10_TheUserSaysNo(t *testing.T) {
	r := newRig(t)
	r.as.answer = func(v url.Values) {
		v.Del("code")
		v.Set("error", "access_denied")
		v.Set("error_description", "The user\x1b[2J said \u202eno\n")
	}
	agent := &user{}
	c := r.client(func(c *Config) { c.Agent = agent })
	var denied *ServerError
	_, err := post(t, c, r.url(), "x")
	if !errors.As(err, &denied) || denied.Code != "access_denied" || denied.Description != "The user[2J said no" {
		t.Fatalf("got %v", err)
	}
	// Clients try again at once, in another protocol version: the user isn't
	// asked again for that.
	if _, err := post(t, c, r.url(), "x"); !errors.As(err, &denied) || agent.opened.Load() != 1 {
		t.Errorf("got %v, and the user was asked %d times", err, agent.opened.Load())
	}
}

// Whoever can reach the port can send something there.
func TestI06_TheListenerWaitsForTheTrueAnswer(t *testing.T) {
	r := newRig(t)
	var pages []string
	agent := &user{}
	agent.instead = func(authorizationURL, redirectURI string) {
		get := func(target string, host string) int {
			request, _ := http.NewRequest(http.MethodGet, target, nil)
			if host != "" {
				request.Host = host
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Error(err)
				return 0
			}
			defer func() { _ = response.Body.Close() }()
			body, _ := io.ReadAll(response.Body)
			pages = append(pages, string(body))
			if response.Header.Get("Cache-Control") != "no-store" || !strings.Contains(response.Header.Get("Content-Security-Policy"), "default-src 'none'") ||
				!strings.Contains(response.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || response.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers %v", response.Header)
			}
			return response.StatusCode
		}
		u, _ := url.Parse(authorizationURL)
		state := u.Query().Get("state")
		for target, want := range map[string]int{
			redirectURI: 400, redirectURI + "?code=evil-code": 400, redirectURI + "?code=evil-code&state=wrong": 400,
			redirectURI + "?code=evil-code&state=" + state[1:]:                 400,
			redirectURI + "?code=evil-code&state=" + state + "&state=" + state: 400,
			redirectURI + "?error=x&error_description=<script>evil</script>":   400,
			redirectURI + "x?code=evil-code&state=" + state:                    404,
			strings.Replace(redirectURI, "/callback", "/favicon.ico", 1):       404,
			redirectURI + "?code=%zz&state=" + state:                           400,
		} {
			if got := get(target, ""); got != want {
				t.Errorf("%s: got %d", target, got)
			}
		}
		if got := get(redirectURI+"?code=evil-code&state="+state, "evil.example"); got != 404 {
			t.Errorf("another Host: got %d", got)
		}
		if err := visit(context.Background(), authorizationURL); err != nil {
			t.Error(err)
		}
		for _, page := range pages {
			if strings.Contains(page, "evil") {
				t.Errorf("a page shows what was sent: %s", page)
			}
		}
	}
	r.mustPost(r.client(func(c *Config) { c.Agent = agent }), "x")
	if _, _, tokens := r.as.count(); tokens != 1 || strings.Contains(r.as.tokenForms[0].Get("code"), "evil") {
		t.Errorf("%d token requests: %v", tokens, r.as.tokenForms)
	}
}

// One answer counts, and once it is there the port is closed.
func TestI06_OneShot(t *testing.T) {
	r := newRig(t)
	agent := &user{}
	var redirect string
	agent.instead = func(authorizationURL, redirectURI string) {
		redirect = redirectURI
		_ = visit(context.Background(), authorizationURL)
	}
	r.mustPost(r.client(func(c *Config) { c.Agent = agent }), "x")
	u, _ := url.Parse(redirect)
	if connection, err := net.Dial("tcp", u.Host); err == nil {
		_ = connection.Close()
		t.Error("the port is still open")
	}
}

func TestI06_BoundedInTime(t *testing.T) {
	r := newRig(t)
	agent := &user{instead: func(string, string) {}}
	_, err := post(t, r.client(func(c *Config) { c.Agent = agent; c.Timeout = 50 * time.Millisecond }), r.url(), "x")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A redirect URL that was pasted is checked like any other.
func TestMC10_Pasted(t *testing.T) {
	r := newRig(t)
	agent := &user{paste: make(chan string)}
	agent.instead = func(authorizationURL, redirectURI string) {
		// What the browser would show, had it not reached the callback.
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		response, err := client.Get(authorizationURL)
		if err != nil {
			t.Error(err)
			return
		}
		_ = response.Body.Close()
		location := response.Header.Get("Location")
		u, _ := url.Parse(location)
		state := u.Query().Get("state")
		go func() {
			for _, wrong := range []string{
				"", "nonsense", redirectURI, redirectURI + "?code=evil", redirectURI + "?code=evil&state=wrong",
				"https://evil.example/callback?code=evil&state=" + state, redirectURI + "x?code=evil&state=" + state,
			} {
				agent.paste <- wrong
			}
			agent.paste <- " " + location + "\n"
		}()
	}
	r.mustPost(r.client(func(c *Config) { c.Agent = agent }), "x")
	if _, _, tokens := r.as.count(); tokens != 1 {
		t.Errorf("%d token requests", tokens)
	}
	r.as.issued = map[string]string{}
	r.as.refreshTokens = map[string]string{}
}

func TestMC10_PastedFromAnotherIssuer(t *testing.T) {
	r := newRig(t)
	r.as.answer = func(v url.Values) { v.Set("iss", "https://evil.example") }
	agent := &user{paste: make(chan string, 1)}
	agent.instead = func(authorizationURL, redirectURI string) {
		u, _ := url.Parse(authorizationURL)
		agent.paste <- redirectURI + "?code=c&iss=https%3A%2F%2Fevil.example&state=" + u.Query().Get("state")
	}
	_, err := post(t, r.client(func(c *Config) { c.Agent = agent }), r.url(), "x")
	if _, _, tokens := r.as.count(); !errors.Is(err, ErrIssuer) || tokens != 0 {
		t.Errorf("got %v after %d token requests", err, tokens)
	}
}

func TestMC07_MC08_TheAuthorizationRequest(t *testing.T) {
	r := newRig(t)
	r.as.metadata = map[string]any{"authorization_endpoint": r.as.URL + "/authorize?realm=x"}
	r.mustPost(r.client(), "x")
	got := r.as.requests[0]
	if got.Get("resource") != r.url() || got.Get("code_challenge_method") != "S256" || len(got.Get("code_challenge")) != 43 ||
		len(got.Get("state")) < 26 || got.Get("response_type") != "code" || got.Get("realm") != "x" {
		t.Errorf("got %v", got)
	}
	if form := r.as.tokenForms[0]; form.Get("resource") != r.url() || len(form.Get("code_verifier")) != 43 || form.Get("redirect_uri") != got.Get("redirect_uri") {
		t.Errorf("got %v", form)
	}
	// The identifier goes out as it was published: no slash is added.
	root := newRig(t)
	root.resource, root.challenge = root.rs.URL, "Bearer"
	root.documents = map[string]bool{resourcePath: true}
	root.mustPost(root.client(), "x")
	if got := root.as.requests[0].Get("resource"); got != root.rs.URL {
		t.Errorf("got %q", got)
	}
}

func TestMC07_EachRequestHasItsOwnSecrets(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		a := newAuthorizationRequest(&AuthorizationServer{}, "")
		seen[a.state], seen[a.verifier] = true, true
	}
	if len(seen) != 200 {
		t.Errorf("%d secrets, want 200", len(seen))
	}
	// RFC 7636, appendix B.
	if got := pkce.Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("got %s", got)
	}
}

func TestMC13_I08_TheBrowserIsOpenedWithoutAShell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "arguments")
	t.Setenv("MCPAUTH_TEST_OPENER", file)
	const target = "https://as.example/authorize?x=$(touch${IFS}evil)&y=`id`;calc|&z=%22%27"
	if err := (Browser{Command: []string{os.Args[0], "--opener"}}).Open(t.Context(), target, ""); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for deadline := time.Now().Add(time.Minute); text == nil && time.Now().Before(deadline); {
		text, _ = os.ReadFile(file)
	}
	var got []string
	if err := json.Unmarshal(text, &got); err != nil || len(got) != 2 || got[0] != "--opener" || got[1] != target {
		t.Errorf("the opener got %q, %v", got, err)
	}
	for _, hostile := range []string{"javascript:alert(1)", "file:///etc/passwd", "--help", "", "vbscript:x", "https:", "mailto:a@b", "\\\\evil\\x", "C:\\calc.exe"} {
		if err := (Browser{Command: []string{os.Args[0]}}).Open(t.Context(), hostile, ""); !errors.Is(err, ErrURL) {
			t.Errorf("%q: got %v", hostile, err)
		}
	}
}

func TestMC13_TheCallbackIsOnLoopback(t *testing.T) {
	for _, uri := range []string{"http://0.0.0.0:0/cb", "http://192.168.1.1:0/cb", "https://127.0.0.1:0/cb", "http://evil.example/cb", "http://127.0.0.1:0/cb?x", "app:/cb", ""} {
		if l, err := listen(uri); !errors.Is(err, ErrURL) {
			l.close()
			t.Errorf("%q: got %v", uri, err)
		}
	}
	for _, uri := range []string{"http://127.0.0.1:0/cb", "http://localhost:0", "http://[::1]:0/cb"} {
		l, err := listen(uri)
		if err != nil {
			t.Logf("%s: %v", uri, err) // a machine without IPv6
			continue
		}
		if l.close(); strings.Contains(l.redirectURI, ":0") {
			t.Errorf("%s: got %s", uri, l.redirectURI)
		}
	}
}

// The callback takes what anybody sends. A code comes out of it only with our
// state and our issuer.
func FuzzCallback(f *testing.F) {
	for _, seed := range []string{"code=c&state=s&iss=https%3A%2F%2Fas.example", "code=c&state=s", "error=x&state=s&iss=https://as.example", "state=s&state=s&code=c", "%zz", "code=c;state=s", "iss=https://as.example/&state=s&code=c"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, raw string, advertised bool) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		request := &authorizationRequest{server: &AuthorizationServer{Issuer: "https://as.example", IssParameter: advertised}, state: "s"}
		code, err := request.check(query)
		if (code == "") == (err == nil) {
			t.Fatalf("%q: %q, %v", raw, code, err)
		}
		iss, has := query["iss"]
		if err == nil && (len(query["state"]) != 1 || query.Get("state") != "s" || has && (len(iss) != 1 || iss[0] != "https://as.example") || !has && advertised) {
			t.Fatalf("%q was taken", raw)
		}
		if err != nil {
			for _, r := range err.Error() {
				if r < ' ' || r == 0x202e || r == 0x9b {
					t.Fatalf("%q: the error holds %q", raw, r)
				}
			}
		}
	})
}
