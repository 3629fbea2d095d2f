package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/web/logging"
)

const resource = "https://mcp.example.com/mcp"

// now is what the clock of the rules says.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// party is an issuer with a key of its own.
type party struct {
	*stubprovider.Provider
	key stubprovider.Key
}

// publish starts an issuer. Its key has the id of all others'.
func publish(t *testing.T, key stubprovider.Key) party {
	t.Helper()
	key.JWK = strings.Replace(key.JWK, `"kid":"`+key.ID+`"`, `"kid":"same"`, 1)
	key.ID = "same"
	provider, err := stubprovider.Start(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	return party{provider, key}
}

// trusted is how a server trusts an issuer that has a dialect.
func (p party) trusted(t *testing.T, name string) Issuer {
	t.Helper()
	d, err := dialect.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return Issuer{
		Rules: accesstoken.Verifier{
			Issuer: p.Issuer(), Audience: resource, Algorithms: []string{"RS256"}, Dialect: d, Now: func() time.Time { return now },
		},
		Keys: issuerkeys.Config{Issuer: p.Issuer(), MinInterval: time.Minute, Algorithms: []string{"RS256"}},
	}
}

// token is one of RFC 9068 that the issuer signs, with changes.
func (p party) token(t *testing.T, changes ...func(*mint.Draft)) string {
	t.Helper()
	draft := mint.New(p.key.RSA, p.key.ID, mint.Grant{
		Issuer: p.Issuer(), Audience: resource, Username: "alice", ClientID: "client", Scopes: []string{"mcp:read"}, Lifetime: time.Hour, Now: now,
	})
	for _, change := range changes {
		change(draft)
	}
	token, err := draft.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claim(name string, value any) func(*mint.Draft) {
	return func(d *mint.Draft) { d.Claims[name] = value }
}

// asKeycloak writes a token as a Keycloak does.
func asKeycloak(d *mint.Draft) {
	d.Header["typ"], d.Claims["typ"], d.Claims["azp"] = "JWT", "Bearer", d.Claims["client_id"]
	delete(d.Claims, "client_id")
}

func begin(t *testing.T, issuers ...Issuer) *Issuers {
	t.Helper()
	ctx, cancel := context.WithCancel(logging.NewContext(t.Context(), slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))))
	t.Cleanup(cancel)
	return Start(ctx, issuers)
}

// A token is held to the rules of the issuer that it names, and to no other's.
func TestC12_C15_MixUp(t *testing.T) {
	t.Parallel()
	strict, lenient := publish(t, stubprovider.Keys()["rs256"]), publish(t, stubprovider.Keys()["next"])
	short := lenient.trusted(t, "keycloak")
	short.Rules.Dialect.MaxLifetime, short.Rules.Audience = 30*time.Minute, "echo-mcp-server"
	issuers := begin(t, strict.trusted(t, "rfc9068"), short)
	soon, theirs := claim("exp", now.Unix()+1800), claim("aud", "echo-mcp-server")
	for name, good := range map[string]string{
		"of the strict issuer":              strict.token(t),
		"of the lenient issuer":             lenient.token(t, soon, theirs, asKeycloak),
		"of the lenient issuer, as RFC9068": lenient.token(t, soon, theirs),
	} {
		if who, err := issuers.Verify(t.Context(), good); err != nil || who.Subject != "alice" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"names the strict issuer, signed by the other":  {lenient.token(t, claim("iss", strict.Issuer())), accesstoken.ErrSignature},
		"names the lenient issuer, signed by the other": {strict.token(t, claim("iss", lenient.Issuer()), soon, theirs), accesstoken.ErrSignature},
		"the other's dialect":                           {strict.token(t, asKeycloak), accesstoken.ErrType},
		"the other's audience":                          {strict.token(t, theirs), accesstoken.ErrAudience},
		"the other's audience, reversed":                {lenient.token(t, soon), accesstoken.ErrAudience},
		"the other's lifetime":                          {lenient.token(t, theirs), accesstoken.ErrLifetime},
		"nobody's issuer":                               {strict.token(t, claim("iss", "https://other.example")), accesstoken.ErrIssuer},
		"the issuer but for a slash":                    {strict.token(t, claim("iss", strict.Issuer()+"/")), accesstoken.ErrIssuer},
		"two issuers":                                   {strict.token(t, claim("iss", issuers.Names())), accesstoken.ErrMalformed},
		"no issuer":                                     {strict.token(t, claim("iss", "")), accesstoken.ErrMissingClaim},
		"no JWT":                                        {"opaque", accesstoken.ErrMalformed},
	} {
		if who, err := issuers.Verify(t.Context(), c.token); !errors.Is(err, c.want) || who != nil {
			t.Errorf("%s: %+v, %v, want %v", name, who, err, c.want)
		}
	}
	_, err := issuers.Verify(t.Context(), strict.token(t, claim("iss", "https://other.example")))
	for _, says := range []string{"https://other.example", strict.Issuer(), "JWT_ISSUERS"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v doesn't say %q", err, says)
		}
	}
	if !slices.Equal(issuers.Names(), []string{strict.Issuer(), lenient.Issuer()}) || len(strings.Fields(issuers.MetadataURL())) != 2 {
		t.Errorf("%q, %q", issuers.Names(), issuers.MetadataURL())
	}
}

// D02: an issuer that is away costs its own tokens a 503, and no others anything.
func TestD02_OneOfTwoIsAway(t *testing.T) {
	t.Parallel()
	there, away := publish(t, stubprovider.Keys()["rs256"]), publish(t, stubprovider.Keys()["next"])
	away.Answer(stubprovider.HangUp)
	issuers := begin(t, there.trusted(t, "rfc9068"), away.trusted(t, "pingfederate"))
	if !issuers.Ready() {
		t.Error("not ready")
	}
	if _, err := issuers.Verify(t.Context(), there.token(t)); err != nil {
		t.Error(err)
	}
	// Its tokens have no iat, by which it could be told whether their key may be new.
	_, err := issuers.Verify(t.Context(), away.token(t, func(d *mint.Draft) { delete(d.Claims, "iat") }))
	if undecided := (*accesstoken.UndecidedError)(nil); !errors.As(err, &undecided) || !errors.Is(err, issuerkeys.ErrNoKeys) || undecided.RetryAfter() <= 0 {
		t.Error(err)
	}
	if begin(t, away.trusted(t, "rfc9068")).Ready() {
		t.Error("ready without any keys")
	}
}

// A token of one issuer is never shown to another.
func TestOpaqueAmongSeveral(t *testing.T) {
	t.Parallel()
	signs, answers := publish(t, stubprovider.Keys()["rs256"]), publish(t, stubprovider.Keys()["next"])
	asked := atomic.Int64{}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":true,"iss":%q,"aud":%q,"exp":%d,"iat":%d,"sub":"bob","client_id":"c","scope":"mcp:read","token_type":"Bearer","jti":"1"}`,
			answers.Issuer(), resource, now.Unix()+60, now.Unix())
	}))
	defer endpoint.Close()
	introspects := answers.trusted(t, "rfc9068")
	introspects.Keys.NoKeys = true
	introspects.Introspection = &introspection.Config{
		Endpoint: endpoint.URL, Method: clientauth.Basic, Credentials: clientauth.Credentials{ID: "server", Secret: "secret"},
	}
	issuers := begin(t, signs.trusted(t, "rfc9068"), introspects)
	if who, err := issuers.Verify(t.Context(), "an-opaque-token"); err != nil || who.Subject != "bob" || asked.Load() != 1 {
		t.Errorf("%+v, %v, asked %d times", who, err, asked.Load())
	}
	if who, err := issuers.Verify(t.Context(), answers.token(t)); err != nil || who.Subject != "bob" || asked.Load() != 2 {
		t.Errorf("%+v, %v, asked %d times", who, err, asked.Load())
	}
	if who, err := issuers.Verify(t.Context(), signs.token(t)); err != nil || who.Subject != "alice" {
		t.Errorf("%+v, %v", who, err)
	}
	for name, token := range map[string]string{
		"another's, claims that can't be read": signs.token(t, func(d *mint.Draft) { d.ClaimsText = `{"iss":"a","iss":"b"}` }),
		"another's, encrypted":                 "a.b.c.d.e",
		"nobody's":                             signs.token(t, claim("iss", "https://other.example")),
	} {
		if who, err := issuers.Verify(t.Context(), token); err == nil || who != nil {
			t.Errorf("%s: %+v", name, who)
		}
	}
	second := signs.trusted(t, "rfc9068")
	second.Introspection, second.Keys.NoKeys = introspects.Introspection, true
	if who, err := begin(t, second, introspects).Verify(t.Context(), "another-opaque-token"); !errors.Is(err, accesstoken.ErrMalformed) {
		t.Errorf("%+v, %v: which of two issuers was asked?", who, err)
	}
	if asked.Load() != 2 {
		t.Errorf("the issuer was shown %d tokens, two are its own", asked.Load())
	}
}

// Clients are told the names that all issuers know, or none.
func TestAsk(t *testing.T) {
	t.Parallel()
	named := Issuer{Rules: accesstoken.Verifier{ScopeNames: principal.ScopeNames{
		"mcp:read": {Asked: "api://x/all", Granted: "all"}, "mcp:tools": {Asked: "api://x/all", Granted: "all"},
	}}}
	for _, c := range []struct {
		issuers      []Issuer
		scopes, want string
	}{
		{[]Issuer{{}}, "mcp:read mcp:tools", "mcp:read mcp:tools"},
		{[]Issuer{named}, "mcp:read mcp:tools", "api://x/all"},
		{[]Issuer{named, named}, "mcp:read", "api://x/all"},
		{[]Issuer{{}, {}}, "mcp:read", "mcp:read"},
		{[]Issuer{{}, named}, "mcp:read", ""},
		{[]Issuer{{}, named}, "other", "other"},
	} {
		if got := Ask(c.issuers, c.scopes); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
