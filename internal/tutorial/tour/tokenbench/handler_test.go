package tokenbench

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

// serve serves the bench in a layout without anything around it.
func serve(t *testing.T) (*httptest.Server, *Bench) {
	t.Helper()
	b := newBench(t)
	site := part.Site{Root: root(t), Render: func(w http.ResponseWriter, _ *http.Request, content tour.Content, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, string(content.Body))
	}}
	p := Part(b, site)
	mux := http.NewServeMux()
	p.Routes(mux)
	mux.HandleFunc("GET "+Path+"{$}", func(w http.ResponseWriter, r *http.Request) {
		content, err := p.Main(r)
		site.Render(w, r, content, err)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, b
}

func post(t *testing.T, server *httptest.Server, form url.Values) (status int, page string) {
	t.Helper()
	answer, err := http.PostForm(server.URL+Path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(answer.Header), "eyJ") || answer.Request.URL.RawQuery != "" {
		t.Errorf("a token is in the header or the URL: %v %v", answer.Header, answer.Request.URL)
	}
	return answer.StatusCode, string(text)
}

// problem marks a page that says what is wrong with the form.
const problem = `class="note bad" role="alert"`

var heading = regexp.MustCompile(`(?s)data-focus>(.*?)</h2>`)

func verdictOf(t *testing.T, page string) string {
	t.Helper()
	match := heading.FindStringSubmatch(page)
	if match == nil {
		t.Fatalf("the page has no verdict:\n%.500s", page)
	}
	return strings.TrimSpace(html.UnescapeString(match[1]))
}

// Each flaw at a click: the verdict names a check, and shows its line.
func TestFlawsAtAClick(t *testing.T) {
	t.Parallel()
	server, _ := serve(t)
	for _, flaw := range mint.Flaws {
		status, page := post(t, server, url.Values{"flaw": {flaw.Name}})
		if says := verdictOf(t, page); status != http.StatusOK || !strings.HasPrefix(says, "Refused by check ") {
			t.Errorf("%s: %d %s", flaw.Name, status, says)
		}
		if !strings.Contains(page, `class="line mark"`) || !strings.Contains(page, `href="/source/internal/`) {
			t.Errorf("%s: the page shows no line of the source", flaw.Name)
		}
	}
	if status, page := post(t, server, url.Values{"flaw": {"<none>"}}); status != http.StatusOK || strings.Contains(page, "<none>") || !strings.Contains(page, problem) {
		t.Errorf("an unknown flaw: %d\n%.300s", status, page)
	}
}

// Each provider's token at a click. One that a server should accept passes by one of
// the dialects, and one that it should refuse passes by none.
func TestShapesAtAClick(t *testing.T) {
	t.Parallel()
	server, bench := serve(t)
	for _, name := range bench.Shapes() {
		if status, page := post(t, server, url.Values{"shape": {name}}); status != http.StatusOK || verdictOf(t, page) == "" {
			t.Errorf("%s: %d", name, status)
		}
		token, rules, err := bench.Shape(name)
		if err != nil {
			t.Fatal(err)
		}
		accepted := ""
		for _, d := range dialect.All() {
			rules.Dialect = d.Name
			if verdict, err := bench.Judge(t.Context(), token, rules); err == nil && verdict.Accepted() {
				accepted += d.Name + " "
			}
		}
		expected := bench.Expected(name)
		bySetting := strings.Contains(expected.Note, "by a setting") // not by a dialect alone
		if wants := expected.Accept && !bySetting; wants != (accepted != "") {
			t.Errorf("%s: by %q, and its documentation expects %t (%s%s)", name, accepted, expected.Accept, expected.Note, expected.Why)
		}
	}
}

// What is changed shows: with the old signature it is refused, signed anew it passes.
func TestEditing(t *testing.T) {
	t.Parallel()
	server, bench := serve(t)
	good, err := bench.Good()
	if err != nil {
		t.Fatal(err)
	}
	parts, _ := Take(good)
	form := func(claims string, by Signer) url.Values {
		return url.Values{
			"header": {parts.Header}, "claims": {claims}, "signature": {parts.Signature}, "sign": {string(by)},
			"issuer": {Issuer}, "audience": {Audience}, "dialect": {"rfc9068"},
		}
	}
	changed := strings.Replace(parts.Claims, `"alice"`, `"admin"`, 1)
	for _, c := range []struct {
		claims string
		by     Signer
		want   string
	}{
		{parts.Claims, Kept, "Accepted: all 20 checks pass"},
		{changed, Kept, "Refused by check 5 of 20: signature"},
		{changed, ByIssuer, "Accepted: all 20 checks pass"},
		{changed, ByOther, "Refused by check 5 of 20: signature"},
		{changed, ByNobody, "Refused by check 5 of 20: signature"},
		{strings.Replace(parts.Claims, Audience, "http://other.example/mcp", 1), ByIssuer, "Refused by check 10 of 20: audience"},
		{strings.Replace(parts.Claims, "{", `{"aud":"x",`, 1), ByIssuer, "Refused by check 7 of 20: claims"},
		{"", ByIssuer, "Refused by check 7 of 20: claims"},
	} {
		if status, page := post(t, server, form(c.claims, c.by)); status != http.StatusOK || verdictOf(t, page) != c.want {
			t.Errorf("%s by %s: %d %s", c.want, c.by, status, verdictOf(t, page))
		}
	}
	broken := form(parts.Claims, Kept)
	broken.Set("signature", "*")
	for name, bad := range map[string]url.Values{"signature": broken, "signer": form(parts.Claims, "me"), "dialect": {"opaque": {"x"}, "dialect": {"x"}}} {
		if status, page := post(t, server, bad); status == http.StatusOK && !strings.Contains(page, problem) {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// A pasted token is read as people have it at hand, is checked without its issuer's
// keys, and what isn't one is not shown again.
func TestPasting(t *testing.T) {
	t.Parallel()
	server, bench := serve(t)
	good, err := bench.Good()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		good: "Accepted", "Authorization: Bearer " + good + "\n": "Accepted", "bearer \t" + good: "Accepted", `"` + good + `"`: "Accepted",
		"opaque": "Refused by check 1 of 20: form",
	} {
		if status, page := post(t, server, url.Values{"token": {text}}); status != http.StatusOK || !strings.HasPrefix(verdictOf(t, page), want) {
			t.Errorf("%.30q: %d %s", text, status, verdictOf(t, page))
		}
	}
	foreign, _, err := bench.Shape("okta-custom-as")
	if err != nil {
		t.Fatal(err)
	}
	if _, page := post(t, server, url.Values{"token": {foreign}}); !strings.Contains(page, "the key and the signature are not checked") {
		t.Error("the page doesn't say that the signature is unchecked")
	}
	for _, text := range []string{"", "hunter2 one", strings.Repeat("hunter2", 1<<14)} {
		if status, page := post(t, server, url.Values{"token": {text}}); status == http.StatusOK && !strings.Contains(page, problem) || strings.Contains(page, "hunter2") {
			t.Errorf("%.20q: %d", text, status)
		}
	}
	// A token in a URL is not read.
	answer, err := http.Get(server.URL + Path + "?token=hunter2&flaw=expired")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !strings.HasPrefix(verdictOf(t, string(text)), "Accepted") || strings.Contains(string(text), "hunter2") {
		t.Errorf("GET: %v %s", err, verdictOf(t, string(text)))
	}
}
