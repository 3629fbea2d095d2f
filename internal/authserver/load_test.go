package authserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// crowd is how many clients go through the code flow at a time.
const crowd = 32

// flow is one code flow over HTTP, from the authorization request through the
// login form and the consent page to a token that is verified; and what each
// part took.
type flow struct {
	client                  *http.Client
	issuer                  string
	page, login, yes, token time.Duration
}

func newFlow(issuer string, transport http.RoundTripper) *flow {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &flow{issuer: issuer, client: &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (f *flow) run(ctx context.Context) (string, error) {
	query := url.Values{
		"response_type": {"code"}, "client_id": {testClient}, "redirect_uri": {testRedirect}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}, "scope": {"mcp:read mcp:tools"}, "state": {"st"}, "resource": {testResource},
	}
	text, _, err := f.send(ctx, &f.page, f.issuer+pathAuthorize+"?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	_, next, err := f.send(ctx, &f.login, f.issuer+pathLogin, url.Values{"request": {f.identifier(text)}, "username": {"mcp-user"}, "password": {"user123"}})
	if err != nil {
		return "", err
	}
	site, _ := url.Parse(f.issuer)
	if text, _, err = f.send(ctx, &f.page, site.Scheme+"://"+site.Host+next, nil); err != nil {
		return "", err
	}
	_, back, err := f.send(ctx, &f.yes, f.issuer+pathConsent, url.Values{"request": {f.identifier(text)}, "accept": {"yes"}})
	if err != nil {
		return "", err
	}
	said, err := url.Parse(back)
	if err != nil || said.Query().Get("code") == "" {
		return "", fmt.Errorf("no code: %v", err)
	}
	form := redeemForm(said.Query().Get("code"))
	form.Set("client_id", testClient)
	text, _, err = f.send(ctx, &f.token, f.issuer+pathToken, form)
	if err != nil {
		return "", err
	}
	var tokens tokenResponse
	return tokens.AccessToken, json.Unmarshal([]byte(text), &tokens)
}

func (f *flow) identifier(page string) string {
	if match := hidden.FindStringSubmatch(page); match != nil {
		return match[1]
	}
	return ""
}

// send returns the body and the Location of an answer.
func (f *flow) send(ctx context.Context, took *time.Duration, where string, form url.Values) (body, location string, err error) {
	begin := time.Now()
	defer func() { *took += time.Since(begin) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if form != nil {
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, where, strings.NewReader(form.Encode()))
	}
	if err != nil {
		return "", "", err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	got, err := f.client.Do(request)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err == nil && got.StatusCode >= 400 {
		err = fmt.Errorf("status %d: %.200s", got.StatusCode, text)
	}
	return string(text), got.Header.Get("Location"), err
}

// serveLoad serves the demo realm by the real clock, and counts what its users'
// passwords cost.
func serveLoad(t testing.TB, cost PasswordCost, state store.Store) (s *Server, hashing *atomic.Int64) {
	t.Helper()
	keys, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	s, err = New(Config{Issuer: "http://" + web.Listener.Addr().String() + "/realms/mcp-realm", Keys: keys, PasswordCost: cost, Store: state, Limits: Limits{Pause: 1}})
	if err != nil {
		t.Fatal(err)
	}
	hashing = &atomic.Int64{}
	derive := s.users.derive
	s.users.derive = func(ctx context.Context, password string, salt []byte) ([]byte, error) {
		begin := time.Now()
		defer func() { hashing.Add(int64(time.Since(begin))) }()
		return derive(ctx, password, salt)
	}
	web.Config.Handler = s
	web.Start()
	t.Cleanup(web.Close)
	return s, hashing
}

// together runs n flows, a crowd at a time, and returns them with the first
// error.
func together(ctx context.Context, s *Server, n int) (flows []*flow, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: crowd}
	defer transport.CloseIdleConnections()
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		begun atomic.Int64
	)
	for range crowd {
		all.Go(func() {
			for begun.Add(1) <= int64(n) {
				f := newFlow(s.issuer, transport)
				token, failed := f.run(ctx)
				if failed == nil {
					_, failed = s.tokens.verifier.Verify(ctx, token)
				}
				mu.Lock()
				flows = append(flows, f)
				if err == nil {
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return flows, err
}

func TestThirtyTwoClientsAtATime(t *testing.T) {
	t.Parallel()
	s, _ := serveLoad(t, cheap, nil)
	if flows, err := together(t.Context(), s, 8*crowd); err != nil || len(flows) != 8*crowd {
		t.Errorf("%d flows, %v", len(flows), err)
	}
}

// BenchmarkCodeFlow says how many code flows a second there are from 32
// clients at a time, and what they wait for. With the default cost of a
// password, that is most of it.
func BenchmarkCodeFlow(b *testing.B) {
	for name, run := range map[string]struct {
		cost PasswordCost
		disk bool
	}{
		"password=default/state=memory": {PasswordCost{}, false},
		"password=cheap/state=memory":   {cheap, false},
		"password=cheap/state=file":     {cheap, true},
	} {
		b.Run(name, func(b *testing.B) {
			var state store.Store
			if run.disk {
				db, err := store.Open(filepath.Join(b.TempDir(), "state.db"))
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = db.Close() }()
				state = db
			}
			s, hashing := serveLoad(b, run.cost, state)
			b.ResetTimer()
			flows, err := together(b.Context(), s, b.N)
			b.StopTimer()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "flows/s")
			var page, login, yes, token time.Duration
			for _, f := range flows {
				page, login, yes, token = page+f.page, login+f.login, yes+f.yes, token+f.token
			}
			for part, took := range map[string]time.Duration{"pages": page, "login": login, "consent": yes, "token": token, "hashing": time.Duration(hashing.Load())} {
				b.ReportMetric(float64(took.Milliseconds())/float64(b.N), part+"-ms/flow")
			}
		})
	}
}
