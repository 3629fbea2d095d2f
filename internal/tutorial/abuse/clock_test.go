package abuse

import (
	"errors"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// The clock of the servers jumps. Programs can't be given another clock than the
// system's, so the authorization server and the verifier of step 10 run in this
// process.
func TestFaults_Clock(t *testing.T) {
	var jump atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
	keys, err := authserver.GenerateKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	const resource = "http://localhost:9000/mcp"
	issuer := "http://" + web.Listener.Addr().String() + "/realms/mcp-realm"
	server, err := authserver.New(authserver.Config{
		Issuer: issuer, Keys: keys, Resource: resource, Now: now, PasswordCost: authserver.PasswordCost{Memory: 8, Passes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = server
	web.Start()
	defer web.Close()
	verifier := &accesstoken.Verifier{Issuer: issuer, Audience: resource, Keys: keys, Algorithms: []string{"RS256"}, Now: now}

	all := newUsers(&World{Issuer: issuer})
	jar, _ := cookiejar.New(nil)
	u := all.user(t.Context(), 0)
	u.from, u.id = nil, testClient
	logIn := func() {
		t.Helper()
		if err := u.logInFor(scopes, formlogin.Browser{Jar: jar}); err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(t.Context(), u.access); err != nil {
			t.Fatal(err)
		}
	}
	logIn()
	used := u.old
	if err := u.refresh(); err != nil {
		t.Fatal(err)
	}
	before := *u
	// usedUp must be refused at every time.
	usedUp := []url.Values{before.redeemed, {"grant_type": {"refresh_token"}, "refresh_token": {used}}}
	for _, by := range []time.Duration{time.Hour, 0, -time.Hour, 0} {
		jump.Store(int64(by))
		_, err := verifier.Verify(t.Context(), before.access)
		if by > 0 && !errors.Is(err, accesstoken.ErrExpired) || by == 0 && err != nil {
			t.Errorf("%s: a token that was issued before the jump: %v", by, err)
		}
		logIn()
		for _, grant := range usedUp {
			copied := before
			if err := copied.token(grant); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
				t.Errorf("%s: something that was used: %v", by, err)
			}
		}
		if err := u.refresh(); err != nil {
			t.Errorf("%s: %v", by, err)
		}
	}
}
