package cors

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	local      = "http://localhost:3000"
	configured = "https://app.example"
	foreign    = "https://evil.com"
)

var extra = []string{configured}

func ask(h http.Handler, method string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, "/mcp", nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// grants are the CORS headers of an answer, whatever they say.
func grants(h http.Header) []string {
	var found []string
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// words splits a list header.
func words(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ", "), func(s string) bool { return s == "" })
}

func TestRS15_Preflight(t *testing.T) {
	for _, origin := range []string{local, configured, "http://127.0.0.1:6274", "http://[::1]:5173"} {
		answer := ask(Preflight(extra, "POST"), "OPTIONS", http.Header{
			"Origin":                        {origin},
			"Access-Control-Request-Method": {"POST"},
			"Access-Control-Request-Headers": {"Authorization, content-type,mcp-protocol-version , Mcp-Session-Id,MCP-Method, mcp-name, mcp-param-region," +
				" accept, last-event-id, cookie, x-evil, mcpx, host, mcp-bad header, mcp-ü"},
		})
		h := answer.Header
		if answer.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: %d %v", origin, answer.StatusCode, h)
		}
		want := []string{"authorization", "content-type", "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name", "mcp-param-region", "accept", "last-event-id"}
		if got := words(h.Get("Access-Control-Allow-Headers")); !slices.Equal(got, want) {
			t.Errorf("%s: headers %q, want %q", origin, got, want)
		}
		if h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Allow") != "POST, OPTIONS" {
			t.Errorf("%s: methods %q, Allow %q", origin, h.Get("Access-Control-Allow-Methods"), h.Get("Allow"))
		}
		if vary := h.Values("Vary"); !slices.Contains(vary, "Origin") || !slices.Contains(vary, "Access-Control-Request-Headers") {
			t.Errorf("%s: Vary %q", origin, vary)
		}
	}
}

func TestRS15_PreflightToAll(t *testing.T) {
	for _, origin := range []string{local, foreign, "null", ""} {
		answer := ask(PreflightToAll("GET", "HEAD"), "OPTIONS", http.Header{
			"Origin":                         {origin},
			"Access-Control-Request-Method":  {"GET"},
			"Access-Control-Request-Headers": {"mcp-protocol-version, x-evil"},
		})
		h := answer.Header
		if answer.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" ||
			h.Get("Access-Control-Allow-Methods") != "GET, HEAD" || h.Get("Allow") != "GET, HEAD, OPTIONS" ||
			h.Get("Access-Control-Allow-Headers") != "mcp-protocol-version" {
			t.Errorf("%s: %d %v", origin, answer.StatusCode, h)
		}
	}
}

// A refusal is exposed too: a page that can't read the challenge can't start.
func TestRS15_Expose(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed} {
		h := Expose(extra, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "answer")
		}))
		answer := ask(h, "POST", http.Header{"Origin": {configured}})
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != status || string(body) != "answer" || answer.Header.Get("Access-Control-Allow-Origin") != configured ||
			answer.Header.Get("Access-Control-Expose-Headers") != exposed {
			t.Errorf("%d: %d %v", status, answer.StatusCode, answer.Header)
		}
	}
}

// Nobody else is granted anything, and no cache may mix up who was.
func TestA01_NoGrantToOthers(t *testing.T) {
	inside := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, h := range map[string]http.Handler{"Preflight": Preflight(extra, "POST"), "Expose": Expose(extra, inside)} {
		for _, origin := range []string{
			"", "null", "*", foreign, "http://evil.com", "http://localhost.evil.com", "http://127.0.0.1@evil.com", "https://localhost:3000",
			"https://app.example.evil.com", "http://app.example", "https://APP.example", "https://app.example, https://evil.com",
			"http://localhost\r\nAccess-Control-Allow-Origin: *",
		} {
			answer := ask(h, "OPTIONS", http.Header{
				"Origin":                         {origin},
				"Access-Control-Request-Method":  {"POST"},
				"Access-Control-Request-Headers": {"authorization"},
			})
			if got := grants(answer.Header); got != nil {
				t.Errorf("%s grants %q: %q", name, origin, got)
			}
			if !slices.Contains(answer.Header.Values("Vary"), "Origin") {
				t.Errorf("%s for %q: Vary %q", name, origin, answer.Header.Values("Vary"))
			}
		}
	}
}

// Credentials of the browser (cookies, HTTP logins) are never asked for, and
// no answer names an Origin other than the one that asked, or a list.
func FuzzRS15_Preflight(f *testing.F) {
	for _, c := range [][2]string{
		{local, "authorization,content-type"},
		{foreign, "authorization"},
		{configured, "mcp-a, mcp-b\r\nX-Injected: 1"},
		{"http://localhost\r\nX-Injected: 1", "mcp-, mcp--, mcp-é, MCP-\x00, *"},
		{local, "mcp-k\u212a, mcp-\u017f, cookie, *, mcp-protocol-version;q=1"},
	} {
		f.Add(c[0], c[1])
	}
	name := regexp.MustCompile(`^(authorization|content-type|accept|last-event-id|mcp-[a-z0-9-]*)$`)
	f.Fuzz(func(t *testing.T, origin, asked string) {
		header := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {asked}}
		for _, h := range []http.Handler{Preflight(extra, "POST"), PreflightToAll("GET", "HEAD")} {
			got := ask(h, "OPTIONS", header).Header
			if len(got.Values("Access-Control-Allow-Credentials")) > 0 || len(got.Values("X-Injected")) > 0 {
				t.Errorf("%q, %q: %v", origin, asked, got)
			}
			for _, granted := range words(got.Get("Access-Control-Allow-Headers")) {
				if !name.MatchString(granted) {
					t.Errorf("%q is granted", granted)
				}
			}
		}
		got := ask(Preflight(extra, "POST"), "OPTIONS", header).Header.Values("Access-Control-Allow-Origin")
		if Allowed(extra, origin) != slices.Equal(got, []string{origin}) || len(got) > 1 {
			t.Errorf("%q is answered with the Origin %q", origin, got)
		}
	})
}
