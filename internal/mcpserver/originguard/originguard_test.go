package originguard

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/web/logging"
)

// protected answers "inside" behind the guard of a server at port 9000.
func protected(extra ...string) http.Handler {
	hosts := []string{"mcp.example.com", "localhost:9000", "127.0.0.1:9000", "[::1]:9000"}
	return Protect(hosts, extra, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "inside")
	}))
}

// try sends a request and returns the error code of a refusal, "" for none.
func try(t *testing.T, h http.Handler, r *http.Request) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("A01: the guard itself says %s", name)
		}
	}
	if w.Code == http.StatusOK && w.Body.String() == "inside" {
		return ""
	}
	var refusal map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || len(refusal) != 2 || refusal["error_description"] == "" {
		t.Errorf("the refusal is %q", w.Body)
	}
	if w.Code != http.StatusForbidden || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("refused with %d %v", w.Code, w.Header())
	}
	return refusal["error"]
}

func request(method, target string, header http.Header) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:9000"
	r.Header = header
	return r
}

func TestRS02_A04_Host(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost:9000":          true,
		"LocalHost:9000":          true, // names of hosts have no case (RFC 9110, section 4.2.3)
		"127.0.0.1:9000":          true,
		"[::1]:9000":              true,
		"mcp.example.com":         true,
		"":                        false,
		"evil.com":                false,
		"evil.com:9000":           false,
		"localhost":               false,
		"localhost:":              false,
		"localhost:80":            false,
		"localhost:9001":          false,
		"localhost:90000":         false,
		"localhost:09000":         false,
		"localhost.:9000":         false,
		"localhost.evil.com":      false,
		"localhost:9000.evil":     false,
		"evil.com@localhost:9000": false,
		"localhost:9000@evil.com": false,
		"localhost:9000, evil":    false,
		"localhost:9000/":         false,
		" localhost:9000":         false,
		"mcp.example.com:9000":    false,
		"mcp.example.com.":        false,
		"sub.mcp.example.com":     false,
		"127.0.0.2:9000":          false,
		"127.1:9000":              false,
		"2130706433:9000":         false,
		"0.0.0.0:9000":            false,
		"::1:9000":                false,
		"[::1]":                   false,
		"[::ffff:127.0.0.1]:9000": false,
		"[0:0:0:0:0:0:0:1]:9000":  false,
		"①②⑦.⓪.⓪.①:9000":          false,
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "DELETE"} {
			for _, path := range []string{"/mcp", "/health", "/.well-known/oauth-protected-resource"} {
				r := request(method, path, http.Header{})
				r.Host = host
				if code := try(t, protected(), r); (code == "") != want || !want && code != "host_not_allowed" {
					t.Errorf("%s %s for the Host %q: %q", method, path, host, code)
				}
			}
		}
	}
}

// DNS rebinding: to the browser, page and server are of one Origin.
func TestA04_OriginEqualToHost(t *testing.T) {
	r := request("POST", "/mcp", http.Header{"Origin": {"http://evil.com:9000"}, "Sec-Fetch-Site": {"same-origin"}})
	r.Host = "evil.com:9000"
	if code := try(t, protected(), r); code != "host_not_allowed" {
		t.Errorf("got %q", code)
	}
}

// net/http puts the host of an absolute-form target into r.Host.
func TestA05_AbsoluteForm(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	address := server.Listener.Addr().String()
	server.Config.Handler = Protect([]string{address}, nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for target, want := range map[string]string{
		"/mcp":                       "200",
		"http://" + address + "/mcp": "200",
		"http://evil.com/mcp":        "403",
		"http://evil.com":            "403",
		"//evil.com/mcp":             "200", // a path: there is no such thing as a host in it
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "POST "+target+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		answer, _ := io.ReadAll(c)
		_ = c.Close()
		if !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("%s: %.40q, want %s", target, answer, want)
		}
	}
}

func TestRS01_Origin(t *testing.T) {
	const allowed, foreign = "http://localhost:3000", "http://evil.com"
	for name, c := range map[string]struct {
		header http.Header
		want   string
	}{
		"none":                         {http.Header{}, ""},
		"allowed":                      {http.Header{"Origin": {allowed}}, ""},
		"configured":                   {http.Header{"Origin": {"https://app.example"}}, ""},
		"foreign":                      {http.Header{"Origin": {foreign}}, "origin_not_allowed"},
		"null":                         {http.Header{"Origin": {"null"}}, "origin_not_allowed"},
		"empty":                        {http.Header{"Origin": {""}}, "origin_not_allowed"},
		"two, allowed first":           {http.Header{"Origin": {allowed, foreign}}, "origin_not_allowed"},
		"two, foreign first":           {http.Header{"Origin": {foreign, allowed}}, "origin_not_allowed"},
		"two, both allowed":            {http.Header{"Origin": {allowed, allowed}}, "origin_not_allowed"},
		"cross-site":                   {http.Header{"Sec-Fetch-Site": {"cross-site"}}, "cross_site_request"},
		"cross-site and foreign":       {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {foreign}}, "origin_not_allowed"},
		"cross-site and allowed":       {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {allowed}}, ""},
		"cross-site and configured":    {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://app.example"}}, ""},
		"same-site, another port":      {http.Header{"Sec-Fetch-Site": {"same-site"}}, ""},
		"same-origin":                  {http.Header{"Sec-Fetch-Site": {"same-origin"}}, ""},
		"typed into the address bar":   {http.Header{"Sec-Fetch-Site": {"none"}}, ""},
		"A06 cross-site form, foreign": {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}, "Content-Type": {"text/plain"}}, "origin_not_allowed"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PUT"} {
			for _, path := range []string{"/mcp", "/health", "/", "/nowhere"} {
				if got := try(t, protected("https://app.example"), request(method, path, c.header)); got != c.want {
					t.Errorf("%s: %s %s: %q, want %q", name, method, path, got, c.want)
				}
			}
		}
	}
}

// RS09: metadata may be read from anywhere, and only read, and only there.
func TestRS01_WellKnownIsPublic(t *testing.T) {
	foreign := http.Header{"Origin": {"https://evil.com"}, "Sec-Fetch-Site": {"cross-site"}}
	for target, public := range map[string]bool{
		"GET /.well-known/oauth-protected-resource":     true,
		"GET /.well-known/oauth-protected-resource/mcp": true,
		"HEAD /.well-known/jwks.json":                   true,
		"OPTIONS /.well-known/jwks.json":                true,
		"POST /.well-known/jwks.json":                   false,
		"PUT /.well-known/jwks.json":                    false,
		"DELETE /.well-known/jwks.json":                 false,
		"get /.well-known/jwks.json":                    false,
		"GET /.well-known":                              false,
		"GET /.well-knownX/jwks.json":                   false,
		"GET /x/.well-known/jwks.json":                  false,
		"GET //.well-known/jwks.json":                   false,
		"GET /.WELL-KNOWN/jwks.json":                    false,
		"GET /mcp?/.well-known/":                        false,
		"GET /health":                                   false,
	} {
		method, path, _ := strings.Cut(target, " ")
		if code := try(t, protected(), request(method, path, foreign)); (code == "") != public {
			t.Errorf("%s: %q", target, code)
		}
	}
}

// J02: a refusal repeats nothing that was sent, and the log quotes it.
func TestJ01_RefusalRepeatsNothing(t *testing.T) {
	var log bytes.Buffer
	ctx := logging.NewContext(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))

	const canary = "http://canary\nlevel=ERROR"
	r := request("POST", "/mcp?token=CANARY", http.Header{"Origin": {canary}, "Authorization": {"Bearer CANARY"}})
	w := httptest.NewRecorder()
	protected().ServeHTTP(w, r.WithContext(ctx))
	if w.Code != http.StatusForbidden || strings.Contains(strings.ToLower(w.Body.String()), "canary") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	if strings.Contains(log.String(), "CANARY") || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), strconv.Quote(canary)[1:20]) {
		t.Errorf("log: %s", log.String())
	}
}
