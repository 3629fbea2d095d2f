package clientmetadata

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// site is a stranger's web site with a document, and how often it was asked.
type site struct {
	*httptest.Server
	requests    atomic.Int32 // that arrived
	connections atomic.Int32
	// answer writes the document at id.
	answer func(w http.ResponseWriter, id string)
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{answer: func(w http.ResponseWriter, id string) { serve(w, document(id)) }}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.answer(w, s.URL+r.URL.RequestURI())
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// document is a good one, as a map to spoil.
func document(id string) map[string]any {
	return map[string]any{
		"client_id": id, "client_name": "Example MCP Client", "redirect_uris": []string{"http://127.0.0.1:3000/cb"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
	}
}

func serve(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}

func (s *site) policy() safefetch.Policy {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return safefetch.Policy{Loopback: true, RootCAs: pool}
}

// clock is one that tests turn.
type clock struct{ atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.Load()))
}

func (s *site) fetcher() (*Fetcher, *clock) {
	c := &clock{}
	return NewFetcher(safefetch.NewClient(s.policy()), c.now), c
}

func TestAS09_Document(t *testing.T) {
	s := newSite(t)
	f, _ := s.fetcher()
	m, err := f.Fetch(t.Context(), s.URL+"/client.json?a=b")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"client_id":"` + s.URL + `/client.json?a=b","redirect_uris":["http://127.0.0.1:3000/cb"],"token_endpoint_auth_method":"none",` +
		`"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"application_type":"native","client_name":"Example MCP Client"}`
	if got := string(must(json.Marshal(m))); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// What callers do with it stays with them.
	m.RedirectURIs[0], m.GrantTypes[0] = MustRedirects("https://evil.com/")[0], GrantClientCredentials
	if m, err = f.Fetch(t.Context(), s.URL+"/client.json?a=b"); err != nil || string(must(json.Marshal(m))) != want {
		t.Errorf("then %+v, %v", m, err)
	}
	if !allows(t, m, "http://127.0.0.1:7/cb") || allows(t, m, "http://127.0.0.1:7/evil") {
		t.Error("redirects are not those of the document")
	}
}

func TestH05_AS09_URLForms(t *testing.T) {
	s := newSite(t)
	f, _ := s.fetcher()
	good := s.URL + "/client.json"
	host := strings.TrimPrefix(s.URL, "https://")
	for _, id := range []string{
		"", "mcp-test-client", "client.json", "/client.json", "//" + host + "/client.json", "http://" + host + "/client.json", "file:///client.json", "javascript:alert(1)",
		s.URL, s.URL + "/", s.URL + "?x", "https:///client.json", "https:" + host + "/client.json", "HTTPS://" + host + "/client.json", "Https://" + host + "/client.json",
		s.URL + "/./client.json", s.URL + "/x/../client.json", s.URL + "/..", s.URL + "/.", s.URL + "/x/..", s.URL + "/%2e%2e/client.json", s.URL + "/%2E/client.json", s.URL + "/.%2e/client.json", s.URL + "/..%2fclient.json",
		good + "#", good + "#x", "https://user@" + host + "/client.json", "https://user:pw@" + host + "/client.json", "https://@" + host + "/client.json",
		"https://①②⑦.⓪.⓪.①" + host[strings.LastIndex(host, ":"):] + "/client.json", "https://127.0.0.1." + host[strings.LastIndex(host, ":"):] + "/client.json", "https://2130706433/client.json", "https://0x7f.0.0.1/x", "https://127.1/x", "https://[::ffff:127.0.0.1]/x",
		"https://example.com./client.json", good + "\n", " " + good, good + " ", good + "\x00", strings.Replace(good, "/c", `\c`, 1), good + "?" + strings.Repeat("x", 3000), "https://exämple.com/x", "https://example.com:/x", "https://example.com:0/x",
	} {
		if IsURL(id) {
			t.Errorf("%.80q has the form", id)
		}
		if m, err := f.Fetch(t.Context(), id); m != nil || code(err) != InvalidClient {
			t.Errorf("%.80q: %v, %v", id, m, err)
		}
	}
	if s.connections.Load() != 0 {
		t.Errorf("the trap was hit %d times", s.connections.Load())
	}
	for _, id := range []string{good, "https://example.com/x", "https://example.com:8443/a/b.json?x=y", "https://xn--bcher-kva.example/x", "https://example.com/.well-known/x", "https://example.com/..x"} {
		if !IsURL(id) {
			t.Errorf("%q hasn't the form", id)
		}
	}
}

// The addresses are those of package safefetch's tests; here it shows that the
// strict client is used as it is meant to be.
func TestH06_AS09_SSRF(t *testing.T) {
	s := newSite(t)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, answer := range []string{
		"127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "100.64.0.1", "192.0.0.192", "198.18.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "fd00:ec2::254",
	} {
		policy := s.policy()
		policy.Loopback = false
		policy.Resolver = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(answer)}, nil
		}
		f := NewFetcher(safefetch.NewClient(policy), nil)
		m, err := f.Fetch(t.Context(), "https://example.com"+port+"/client.json")
		if m != nil || code(err) != InvalidClient || !errors.Is(err, safefetch.ErrAddress) {
			t.Errorf("%s: %v, %v", answer, m, err)
		}
		var shown *Error
		if errors.As(err, &shown); strings.Contains(shown.Description, answer) {
			t.Errorf("the stranger learns where the name leads: %s", shown.Description)
		}
	}
	if s.connections.Load() != 0 {
		t.Errorf("the trap was hit %d times", s.connections.Load())
	}
}

func TestH08_AS09_Lies(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(id string, d map[string]any)
		want  string
	}{
		"another client_id":        {func(_ string, d map[string]any) { d["client_id"] = "https://other.example/x" }, InvalidClient},
		"client_id with a slash":   {func(id string, d map[string]any) { d["client_id"] = id + "/" }, InvalidClient},
		"client_id in capitals":    {func(id string, d map[string]any) { d["client_id"] = strings.ToUpper(id) }, InvalidClient},
		"client_id with a query":   {func(id string, d map[string]any) { d["client_id"] = id + "?x" }, InvalidClient},
		"client_id with encoding":  {func(id string, d map[string]any) { d["client_id"] = strings.Replace(id, "client", "%63lient", 1) }, InvalidClient},
		"no client_id":             {func(_ string, d map[string]any) { delete(d, "client_id") }, InvalidClient},
		"client_id in a list":      {func(id string, d map[string]any) { d["client_id"] = []string{id} }, InvalidClient},
		"no name":                  {func(_ string, d map[string]any) { delete(d, "client_name") }, InvalidClient},
		"blank name":               {func(_ string, d map[string]any) { d["client_name"] = "  " }, InvalidClient},
		"name that turns the text": {func(_ string, d map[string]any) { d["client_name"] = "a\u202eb" }, InvalidClientMetadata},
		"no redirects":             {func(_ string, d map[string]any) { delete(d, "redirect_uris") }, InvalidRedirectURI},
		"empty redirects":          {func(_ string, d map[string]any) { d["redirect_uris"] = []string{} }, InvalidRedirectURI},
		"dangerous redirect":       {func(_ string, d map[string]any) { d["redirect_uris"] = []string{"javascript:alert(1)"} }, InvalidRedirectURI},
		"secret":                   {func(_ string, d map[string]any) { d["client_secret"] = "x" }, InvalidClient},
		"empty secret":             {func(_ string, d map[string]any) { d["client_secret"] = nil }, InvalidClient},
		"secret's end":             {func(_ string, d map[string]any) { d["client_secret_expires_at"] = 0 }, InvalidClient},
		"client_secret_basic":      {func(_ string, d map[string]any) { d["token_endpoint_auth_method"] = "client_secret_basic" }, InvalidClient},
		"client_secret_post":       {func(_ string, d map[string]any) { d["token_endpoint_auth_method"] = "client_secret_post" }, InvalidClient},
		"client_secret_jwt":        {func(_ string, d map[string]any) { d["token_endpoint_auth_method"] = "client_secret_jwt" }, InvalidClient},
		"keys elsewhere": {func(_ string, d map[string]any) {
			d["token_endpoint_auth_method"], d["jwks_uri"] = "private_key_jwt", "https://x.example/"
		}, InvalidClientMetadata},
		"client credentials":        {func(_ string, d map[string]any) { d["grant_types"] = []string{"client_credentials"} }, InvalidClientMetadata},
		"larger than the draft has": {func(_ string, d map[string]any) { d["x"] = strings.Repeat("x", MaxDocument) }, InvalidClient},
	} {
		s := newSite(t)
		s.answer = func(w http.ResponseWriter, id string) {
			d := document(id)
			c.spoil(id, d)
			serve(w, d)
		}
		f, _ := s.fetcher()
		if m, err := f.Fetch(t.Context(), s.URL+"/client.json"); m != nil || code(err) != c.want || s.requests.Load() != 1 {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// A client with keys may use them, but only on behalf of users: anybody can
// publish a file.
func TestH08_AS09_NoClientCredentials(t *testing.T) {
	s := newSite(t)
	s.answer = func(w http.ResponseWriter, id string) {
		d := document(id)
		d["token_endpoint_auth_method"], d["jwks"] = "private_key_jwt", json.RawMessage(`{"keys":[`+key("a", "")+`]}`)
		d["grant_types"] = []string{"client_credentials", "authorization_code"}
		serve(w, d)
	}
	f, _ := s.fetcher()
	m, err := f.Fetch(t.Context(), s.URL+"/client.json")
	if err != nil || !m.Confidential() || len(m.JWKS) == 0 || len(m.GrantTypes) != 1 || m.GrantTypes[0] != GrantCode {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestH08_AS09_Answers(t *testing.T) {
	raw := func(contentType, text string) func(http.ResponseWriter, string) {
		return func(w http.ResponseWriter, id string) {
			w.Header().Set("Content-Type", contentType)
			_, _ = fmt.Fprint(w, strings.ReplaceAll(text, "$ID", id))
		}
	}
	const good = `{"client_id":"$ID","client_name":"x","redirect_uris":["http://127.0.0.1/cb"]}`
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, string)
		ok     bool
	}{
		"good":             {raw("application/json", good), true},
		"with charset":     {raw("application/json; charset=utf-8", good), true},
		"more specific":    {raw("application/cimd+json", good), true},
		"text":             {raw("text/plain", good), false},
		"HTML":             {raw("text/html", good), false},
		"JSON in an image": {raw("image/x+json", good), false},
		"no type":          {raw("", good), false},
		"nonsense":         {raw("application/json;;", good), false},
		"trailing":         {raw("application/json", good+"{}"), false},
		"list":             {raw("application/json", "["+good+"]"), false},
		"no JSON":          {raw("application/json", "x"), false},
		"empty":            {raw("application/json", ""), false},
		"client_id twice":  {raw("application/json", `{"client_id":"https://a.example/x",`+good[1:]), false},
		"CLIENT_ID beside": {raw("application/json", `{"CLIENT_ID":"https://a.example/x",`+good[1:]), false},
		"redirect":         {func(w http.ResponseWriter, _ string) { w.Header().Set("Location", "/other"); w.WriteHeader(302) }, false},
		"redirect with body": {func(w http.ResponseWriter, id string) {
			w.Header().Set("Location", "/other")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(307)
			serve(w, document(id))
		}, false},
		"not found": {func(w http.ResponseWriter, id string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(404)
			serve(w, document(id))
		}, false},
		"created": {func(w http.ResponseWriter, id string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(201)
			serve(w, document(id))
		}, false},
		"broken off": {func(w http.ResponseWriter, _ string) { panic(http.ErrAbortHandler) }, false},
	} {
		s := newSite(t)
		s.answer = c.answer
		f, _ := s.fetcher()
		m, err := f.Fetch(t.Context(), s.URL+"/client.json")
		if (m != nil) != c.ok || !c.ok && code(err) != InvalidClient || s.requests.Load() != 1 {
			t.Errorf("%s: %v, %v, %d requests", name, m, err, s.requests.Load())
		}
	}
}

func TestAS09_CachedWithinBounds(t *testing.T) {
	for control, want := range map[string]time.Duration{
		"":                                   defaultFresh,
		"public, max-age=600":                600 * time.Second,
		`MAX-AGE="600"`:                      600 * time.Second,
		"max-age=0":                          minFresh,
		"no-store":                           minFresh,
		"max-age=3600, no-cache":             minFresh,
		"max-age=31536000":                   maxFresh,
		"max-age=99999999999999999999999999": defaultFresh,
		"max-age=-1":                         defaultFresh,
		"max-age":                            defaultFresh,
	} {
		s := newSite(t)
		s.answer = func(w http.ResponseWriter, id string) {
			w.Header().Set("Cache-Control", control)
			serve(w, document(id))
		}
		f, c := s.fetcher()
		for _, step := range []struct {
			at   time.Duration
			want int32
		}{{0, 1}, {want - time.Second, 1}, {want, 2}} {
			c.Store(int64(step.at))
			if _, err := f.Fetch(t.Context(), s.URL+"/client.json"); err != nil || s.requests.Load() != step.want {
				t.Errorf("%q, after %s: %v, %d requests, want %d", control, step.at, err, s.requests.Load(), step.want)
			}
		}
	}
}

// A failure is not asked for again at once, and is forgotten soon.
func TestAS09_PauseAfterFailure(t *testing.T) {
	s := newSite(t)
	var broken atomic.Bool
	broken.Store(true)
	s.answer = func(w http.ResponseWriter, id string) {
		if broken.Load() {
			w.WriteHeader(500)
			return
		}
		serve(w, document(id))
	}
	f, c := s.fetcher()
	for range 10 {
		if _, err := f.Fetch(t.Context(), s.URL+"/client.json"); code(err) != InvalidClient {
			t.Error(err)
		}
	}
	if s.requests.Load() != 1 {
		t.Errorf("%d requests", s.requests.Load())
	}
	broken.Store(false)
	c.Store(int64(retryAfter))
	if _, err := f.Fetch(t.Context(), s.URL+"/client.json"); err != nil {
		t.Errorf("once it is mended: %v", err)
	}
}

// Many who want one document wait for one fetch, and none is lost when the one
// who began it leaves.
func TestAS09_SingleFlight(t *testing.T) {
	s := newSite(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	s.answer = func(w http.ResponseWriter, id string) {
		close(arrived)
		<-release
		serve(w, document(id))
	}
	f, _ := s.fetcher()
	first, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := f.Fetch(first, s.URL+"/client.json")
		left <- err
	}()
	<-arrived
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := f.Fetch(t.Context(), s.URL+"/client.json"); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	close(release)
	all.Wait()
	if s.requests.Load() != 1 {
		t.Errorf("%d requests", s.requests.Load())
	}
}

// WD5: slow documents that one caller asks for occupy that caller's share, and
// others still get theirs; and a slow host occupies its own share.
func TestAS09_WD5_FetchesAtATime(t *testing.T) {
	s := newSite(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	s.answer = func(w http.ResponseWriter, id string) {
		if strings.Contains(id, "/slow") {
			arrived <- struct{}{}
			<-release
		}
		serve(w, document(id))
	}
	f, _ := s.fetcher()
	limits := f.accounts.limits
	var all sync.WaitGroup
	slow := func(caller, path string) {
		all.Go(func() {
			if _, err := f.Fetch(WithCaller(t.Context(), caller), s.URL+path); err != nil {
				t.Error(err)
			}
		})
		<-arrived
	}
	fetch := func(caller, path string) error {
		_, err := f.Fetch(WithCaller(t.Context(), caller), s.URL+path)
		return err
	}
	for i := range limits.callerInFlight {
		slow("flood", fmt.Sprint("/slow/", i))
	}
	if err := fetch("flood", "/more"); code(err) != InvalidClient {
		t.Errorf("one more: %v", err)
	}
	if err := fetch("honest", "/good"); err != nil {
		t.Errorf("another caller: %v", err)
	}
	for i := range limits.hostInFlight - limits.callerInFlight {
		slow(fmt.Sprint("caller ", i), fmt.Sprint("/slow/other/", i))
	}
	if err := fetch("honest", "/good/too"); code(err) != InvalidClient {
		t.Errorf("the host is busy: %v", err)
	}
	close(release)
	all.Wait()
	if err := fetch("honest", "/good/too"); err != nil {
		t.Errorf("when they have ended: %v", err)
	}
	if a := f.accounts; a.flying != 0 || len(a.callersFlying)+len(a.hostsFlying) != 0 {
		t.Errorf("fetches that have ended still count: %+v", a)
	}
}

// WD5: 1,500 client ids cause as many fetches as one caller may, and a client
// whose document was good before isn't kept out by them.
func TestWD5_ManyClientIDs(t *testing.T) {
	s := newSite(t)
	s.answer = func(w http.ResponseWriter, id string) {
		if !strings.Contains(id, "/good") {
			w.WriteHeader(404)
			return
		}
		serve(w, document(id))
	}
	f, c := s.fetcher()
	limits := f.accounts.limits
	fetch := func(caller, path string) error {
		_, err := f.Fetch(WithCaller(t.Context(), caller), s.URL+path)
		return err
	}
	if err := fetch("honest", "/good"); err != nil {
		t.Fatal(err)
	}
	c.Add(int64(defaultFresh)) // the document must be fetched again
	before := s.requests.Load()
	for i := range 1500 {
		_ = fetch("flood", fmt.Sprint("/", i))
	}
	if n := int(s.requests.Load() - before); n != limits.callerPerWindow {
		t.Errorf("one caller caused %d fetches", n)
	}
	for i := range 1500 {
		_ = fetch(fmt.Sprint("flood ", i), fmt.Sprint("/many/", i))
	}
	if n := int(s.requests.Load() - before); n != limits.hostPerWindow {
		t.Errorf("many callers caused %d fetches", n)
	}
	if err := fetch("honest", "/good"); err != nil {
		t.Errorf("a document that was good before: %v", err)
	}
	c.Add(int64(window))
	if err := fetch("newcomer", "/good/new"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// The number of documents is bounded; those that fail go first, so that a
// flood of bad URLs drives no good one out.
func TestAS09_BoundedCache(t *testing.T) {
	s := newSite(t)
	s.answer = func(w http.ResponseWriter, id string) {
		if !strings.Contains(id, "/good") {
			w.WriteHeader(404)
			return
		}
		serve(w, document(id))
	}
	f, _ := s.fetcher()
	f.accounts.limits.callerPerWindow, f.accounts.limits.hostPerWindow = 10_000, 10_000
	fetch := func(path string) { _, _ = f.Fetch(t.Context(), s.URL+path) }
	fetch("/good")
	for i := range MaxDocuments + 100 {
		fetch(fmt.Sprintf("/%d", i))
	}
	before := s.requests.Load()
	if fetch("/good"); s.requests.Load() != before {
		t.Error("the good one was driven out")
	}
	if f.others.Len() > MaxDocuments || len(f.known) != f.good.Len()+f.others.Len() {
		t.Errorf("%d documents are kept, %d good ones and %d others", len(f.known), f.good.Len(), f.others.Len())
	}
}

// WD5: the URL of a document stands in all that is kept for its client.
func TestWD5_URLsAreShort(t *testing.T) {
	id := "https://app.example/" + strings.Repeat("x", MaxURL)
	if !IsURL(id[:MaxURL]) || IsURL(id[:MaxURL+1]) {
		t.Error("the limit is another one")
	}
}

// WD5: where there are as many good documents as may be, that of the host with the
// most goes, the oldest first; nobody is refused for it.
func TestWD5_AHostDrivesOutItsOwnDocuments(t *testing.T) {
	f := NewFetcher(nil, func() time.Time { return time.Unix(0, 0) })
	keep := func(host string, n int) string {
		id := fmt.Sprintf("https://%s/%d", host, n)
		f.keep(id, &fetched{host: host, proven: true})
		return id
	}
	few := keep("few.example", 0)
	for n := range 2 * MaxDocuments {
		keep("many.example", n)
	}
	if len(f.known) != MaxDocuments || f.known[few] == nil || f.known[keep("new.example", 0)] == nil {
		t.Errorf("%d documents are kept", len(f.known))
	}
}

// FuzzParseDocument: whose document is accepted says the client_id under which
// it was looked for, and holds to the same rules as a registration.
func FuzzParseDocument(f *testing.F) {
	const id = "https://app.example.com/client.json"
	f.Add(string(must(json.Marshal(document(id)))), "application/json")
	f.Add(`{"client_id":"`+id+`","client_name":"x","redirect_uris":["https://app.example.com/cb"],`+jwksOf(key("a", ""))+`}`, "application/x+json; a=b")
	f.Add(string(must(json.Marshal(document(id)))), "application/x+Json") // in any case (RFC 9110, section 8.3.1)
	f.Fuzz(func(t *testing.T, body, contentType string) {
		m, err := parseDocument(id, contentType, []byte(body))
		if err != nil {
			code(err)
			return
		}
		if m.ClientID != id || m.ClientName == "" || len(m.RedirectURIs) == 0 || m.AllowsGrant(GrantClientCredentials) || m.TokenEndpointAuthMethod == clientauth.Basic || !strings.Contains(strings.ToLower(contentType), "json") {
			t.Fatalf("%s: %+v", body, m)
		}
		for _, uri := range m.RedirectURIs {
			if _, err := ParseRedirect(uri.String()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// WE4: a fetch that has ended no longer counts as one that runs.
func TestWE4_EndedFetchesMakeRoom(t *testing.T) {
	s := newSite(t)
	f, _ := s.fetcher()
	f.accounts.limits.callerPerWindow = 100
	for i := range f.accounts.limits.inFlight + 1 {
		if _, err := f.Fetch(t.Context(), fmt.Sprintf("%s/%d", s.URL, i)); err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
	}
}
