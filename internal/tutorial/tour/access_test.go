package tour

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

func TestMain(m *testing.M) {
	program.Guard()
	os.Exit(m.Run())
}

// start serves a tour with a part that counts what it is asked to do.
func start(t *testing.T) (s *Server, done *int) {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	all, err := programs.New(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all.Close)
	s, done = New(Options{Root: root, Programs: all}), new(int)
	s.Add(Part{Name: "test", Routes: func(mux *http.ServeMux) {
		mux.HandleFunc("POST /test/do", func(http.ResponseWriter, *http.Request) { *done++ })
	}})
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, done
}

// visitor is a browser that came by the start link.
func visitor(t *testing.T, s *Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	if status, body := send(t, client, "GET", s.StartURL(), nil); status != http.StatusOK || !strings.Contains(body, "Auth Step By Step") {
		t.Fatalf("the start link: %d\n%s", status, body)
	}
	return client
}

// send makes a request with headers; "Host" sets the host.
func send(t *testing.T, client *http.Client, method, url string, headers map[string]string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	if host := headers["Host"]; host != "" {
		request.Host = host
	}
	return read(t, client, request)
}

func read(t *testing.T, client *http.Client, request *http.Request) (int, string) {
	t.Helper()
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// What changes something is taken from the tour's own pages alone.
func TestRequestsFromOtherPages(t *testing.T) {
	s, done := start(t)
	client := visitor(t, s)
	own := s.URL()
	for name, c := range map[string]struct {
		headers map[string]string
		lets    bool
	}{
		"the tour's own page":              {map[string]string{"Origin": own, "Sec-Fetch-Site": "same-origin"}, true},
		"a browser without fetch metadata": {map[string]string{"Origin": own}, true},
		"T01 a foreign site":               {map[string]string{"Origin": "https://evil.com"}, false},
		"T01 a foreign prefix":             {map[string]string{"Origin": own + ".evil.com"}, false},
		"T01 a sandboxed page":             {map[string]string{"Origin": "null"}, false},
		"T02 another port of this address": {map[string]string{"Origin": "http://127.0.0.1:9"}, false},
		"T02 this port by another name":    {map[string]string{"Origin": strings.Replace(own, "127.0.0.1", "localhost", 1)}, false},
		"T02 https on this port":           {map[string]string{"Origin": strings.Replace(own, "http", "https", 1)}, false},
		"T02 a page of this site":          {map[string]string{"Origin": own, "Sec-Fetch-Site": "same-site"}, false},
		"T03 no Origin":                    {nil, false},
		"T04 a foreign Host":               {map[string]string{"Origin": own, "Host": "evil.com"}, false},
		"T04 localhost":                    {map[string]string{"Origin": own, "Host": strings.Replace(own[len("http://"):], "127.0.0.1", "localhost", 1)}, false},
	} {
		*done = 0
		status, _ := send(t, client, "POST", own+"/test/do", c.headers)
		if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[c.lets]; status != want || (*done == 1) != c.lets {
			t.Errorf("%s: status %d, want %d; done %d times", name, status, want, *done)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		if status, _ := send(t, client, method, own+"/test/do", map[string]string{"Origin": own}); status != http.StatusForbidden {
			t.Errorf("%s: status %d", method, status)
		}
	}
}

// T05: without the cookie there is nothing but the page that says how to get in.
func TestT05_NothingWithoutTheCookie(t *testing.T) {
	s, done := start(t)
	for _, path := range []string{"/", "/step/6", "/pictures/actors.svg", "/none"} {
		status, body := send(t, http.DefaultClient, "GET", s.URL()+path, nil)
		if status != http.StatusForbidden || !strings.Contains(body, "Press <kbd>Enter</kbd>") {
			t.Errorf("%s: status %d\n%s", path, status, body)
		}
	}
	forged := map[string]string{"Origin": s.URL(), "Cookie": s.keys.cookie + "=" + strings.Repeat("A", 26)}
	if status, _ := send(t, http.DefaultClient, "POST", s.URL()+"/test/do", forged); status != http.StatusForbidden || *done > 0 {
		t.Errorf("a forged cookie: status %d", status)
	}
	if status, _ := send(t, http.DefaultClient, "GET", s.URL()+"/assets/style.css", nil); status != http.StatusOK {
		t.Errorf("the style sheet: status %d", status)
	}
}

// T06: a start link is good once, and its key is in no URL after it.
func TestT06_AStartLinkIsGoodOnce(t *testing.T) {
	s, _ := start(t)
	link := s.StartURL()
	if status, _ := send(t, http.DefaultClient, "HEAD", link, nil); status != http.StatusForbidden {
		t.Errorf("HEAD: status %d", status)
	}
	jar, _ := cookiejar.New(nil)
	stay := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := stay.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if location := answer.Header.Get("Location"); location != "/" {
		t.Errorf("it leads to %q", location)
	}
	cookies := answer.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Errorf("cookies %v", cookies)
	}
	if key := link[strings.LastIndex(link, "=")+1:]; cookies[0].Value == key {
		t.Error("the cookie is the start key")
	}
	for _, second := range []string{link, s.URL() + "/start", s.URL() + "/start?key=" + strings.Repeat("A", 26)} {
		if status, body := send(t, http.DefaultClient, "GET", second, nil); status != http.StatusForbidden || !strings.Contains(body, "used before") {
			t.Errorf("%s: status %d", second, status)
		}
	}
	if s.StartURL() == link {
		t.Error("two start links are the same")
	}
}

// T07: other pages of this address get no page, script or style of the tour into
// theirs, although the browser sends them its cookie.
func TestT07_NoPageOfOthersCanLoadThis(t *testing.T) {
	s, _ := start(t)
	client := visitor(t, s)
	embedded := map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
	framed := map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
	for name, headers := range map[string]map[string]string{"a script": embedded, "a frame": framed, "fetch": {"Origin": "http://127.0.0.1:9"}} {
		if status, _ := send(t, client, "GET", s.URL()+"/step/6", headers); status != http.StatusForbidden {
			t.Errorf("%s: status %d", name, status)
		}
	}
	followed := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	if status, _ := send(t, client, "GET", s.URL()+"/step/6", followed); status != http.StatusOK {
		t.Errorf("a link: status %d", status)
	}
}

// Every answer has the policy, also those that refuse.
func TestEveryAnswerHasTheContentPolicy(t *testing.T) {
	s, _ := start(t)
	client := visitor(t, s)
	for _, path := range []string{"/", "/step/6", "/step/12", "/step/6/none", "/none", "/start", "/assets/style.css", "/assets/none.js"} {
		answer, err := client.Get(s.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.Header.Get("Content-Security-Policy") != contentPolicy || answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, answer.Header)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "localhost:0", "10.0.0.1:0", ":0", "nonsense", "evil.com:80"} {
		s := New(Options{})
		if err := s.Start(addr); err == nil || !strings.Contains(err.Error(), DefaultAddr) {
			t.Errorf("%s: %v", addr, err)
			s.Close()
		}
	}
}

// The port is taken: by another tour, or by another program.
func TestThePortIsTaken(t *testing.T) {
	first, _ := start(t)
	address, _ := url.Parse(first.URL())
	if err := New(Options{}).Start(address.Host); err == nil || !strings.Contains(err.Error(), "another tour runs at "+first.URL()) {
		t.Errorf("another tour: %v", err)
	}
	other, err := first.Programs.StartStep(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	port := other.URL[strings.LastIndex(other.URL, ":")+1:]
	if err := New(Options{}).Start("127.0.0.1:" + port); err == nil || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("another program: %v", err)
	}
}
