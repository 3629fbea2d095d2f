package tokencache_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
)

const (
	issuer   = "https://as.example"
	audience = "https://rs.example/mcp"
)

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// signer is an issuer's key: Ed25519, so that many tokens are made fast.
type signer struct {
	id      string
	private ed25519.PrivateKey
}

func newSigner(id string) signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{id, private}
}

func (s signer) key() jwks.Key {
	return jwks.Key{ID: s.id, Algorithm: "EdDSA", Public: s.private.Public()}
}

// token is good for an hour from start on; claims are changed by change.
func (s signer) token(t testing.TB, change ...func(claims map[string]any)) string {
	t.Helper()
	d := mint.New(nil, s.id, mint.Grant{
		Issuer: issuer, Audience: audience, Username: "alice", ClientID: "app", Scopes: []string{"mcp:read"}, Roles: []string{"user"},
		Lifetime: time.Hour, Now: start,
	})
	d.Header["alg"] = "EdDSA"
	for _, c := range change {
		c(d.Claims)
	}
	d.Sign = func(input []byte) ([]byte, error) { return ed25519.Sign(s.private, input), nil }
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func of(client string) func(map[string]any) {
	return func(claims map[string]any) { claims["client_id"] = client }
}

// world is a verifier whose keys and clock a test changes. It counts how often a
// token was verified in full.
type world struct {
	mu       sync.Mutex
	keys     jwks.Set
	now      time.Time
	rules    *accesstoken.Verifier
	verified int
}

func newWorld(keys ...jwks.Key) *world {
	w := &world{keys: keys, now: start}
	w.rules = &accesstoken.Verifier{Issuer: issuer, Audience: audience, Keys: w, Algorithms: []string{"EdDSA"}, Now: func() time.Time { return w.now }}
	return w
}

func (w *world) Key(ctx context.Context, id, algorithm string) (jwks.Key, error) {
	return w.keys.Key(ctx, id, algorithm)
}

func (w *world) Decide(ctx context.Context, token string) (*accesstoken.Decision, error) {
	w.mu.Lock()
	w.verified++
	w.mu.Unlock()
	return w.rules.Decide(ctx, token)
}

func accepted(t testing.TB, v interface {
	Verify(context.Context, string) (*principal.Principal, error)
}, token string) *principal.Principal {
	t.Helper()
	who, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return who
}

func TestVerifiedOnce(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	twin := jwks.Key{ID: "k", Algorithm: "ES256", Public: newSigner("k").key().Public} // has the id, for another algorithm
	w := newWorld(s.key(), twin)
	cache, token := tokencache.New(10, w), s.token(t)
	for range 5 {
		accepted(t, cache, token)
	}
	if w.verified != 1 {
		t.Errorf("verified %d times", w.verified)
	}
}

// The whole token is the key: with any character of it changed, it is another one.
func TestTheWholeTokenCounts(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	w := newWorld(s.key())
	cache, token := tokencache.New(10, w), s.token(t)
	accepted(t, cache, token)
	for i := range token {
		other := byte('A')
		if token[i] == other {
			other = 'B'
		}
		if who, err := cache.Verify(t.Context(), token[:i]+string(other)+token[i+1:]); err == nil {
			t.Fatalf("character %d changed: accepted for %s", i, who.Subject)
		}
	}
	for _, other := range []string{token[:strings.LastIndexByte(token, '.')+1], token + "=", token + ".", " " + token, ""} {
		if _, err := cache.Verify(t.Context(), other); err == nil {
			t.Errorf("accepted: %q", other)
		}
	}
}

// What one verifier accepted is unknown to another.
func TestOneVerifierEach(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	w, other := newWorld(s.key()), newWorld(s.key())
	other.rules.Audience = "https://other.example/mcp"
	token := s.token(t)
	accepted(t, tokencache.New(10, w), token)
	if _, err := tokencache.New(10, other).Verify(t.Context(), token); !errors.Is(err, accesstoken.ErrAudience) {
		t.Errorf("got %v", err)
	}
}

// A key that is withdrawn, replaced, published twice or for another algorithm ends what
// it verified, at once, and a key that comes back lets it in again.
func TestTheKeyIsAskedForEachTime(t *testing.T) {
	t.Parallel()
	s, other := newSigner("k"), newSigner("k")
	for name, c := range map[string]struct {
		keys jwks.Set
		want error
	}{
		"withdrawn":               {nil, accesstoken.ErrKey},
		"replaced":                {jwks.Set{other.key()}, accesstoken.ErrSignature},
		"published twice":         {jwks.Set{s.key(), s.key()}, accesstoken.ErrKey},
		"beside another":          {jwks.Set{s.key(), other.key()}, accesstoken.ErrKey},
		"under another id":        {jwks.Set{{ID: "l", Algorithm: "EdDSA", Public: s.key().Public}}, accesstoken.ErrKey},
		"for another algorithm":   {jwks.Set{{ID: "k", Algorithm: "ES256", Public: s.key().Public}}, accesstoken.ErrAlgorithm},
		"as before, beside a new": {jwks.Set{newSigner("new").key(), s.key()}, nil},
	} {
		w := newWorld(s.key())
		cache, token := tokencache.New(10, w), s.token(t)
		accepted(t, cache, token)
		w.keys = c.keys
		if _, err := cache.Verify(t.Context(), token); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		w.keys = jwks.Set{s.key()}
		accepted(t, cache, token)
	}
}

// With the keys of an issuer, a withdrawn key ends its tokens with the next fetch.
func TestAWithdrawnKeyEndsWithTheNextFetch(t *testing.T) {
	t.Parallel()
	first, next := stubprovider.Keys()["rs256"], stubprovider.Keys()["next"]
	provider, err := stubprovider.Start(first)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	keys := issuerkeys.Start(ctx, issuerkeys.Config{Issuer: provider.Issuer(), MinInterval: time.Nanosecond, Algorithms: []string{"RS256"}})
	cache := tokencache.New(10, &accesstoken.Verifier{
		Issuer: provider.Issuer(), Audience: audience, Keys: keys, Algorithms: []string{"RS256"}, Now: func() time.Time { return start },
	})
	token := func(k stubprovider.Key) string {
		d := mint.New(nil, k.ID, mint.Grant{Issuer: provider.Issuer(), Audience: audience, Username: "alice", ClientID: "app", Lifetime: time.Hour, Now: start})
		d.Header["alg"] = k.Algorithm
		d.Sign = k.Sign
		text, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	old := token(first)
	accepted(t, cache, old)
	provider.Publish(next)
	accepted(t, cache, token(next)) // its key is unknown, so the set is fetched
	if _, err := cache.Verify(t.Context(), old); !errors.Is(err, accesstoken.ErrKey) {
		t.Errorf("a token of the withdrawn key: %v", err)
	}
}

// exp, nbf and iat are looked at each time, with the leeway and by the verifier's clock.
func TestDatesAreLookedAtEachTime(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	w := newWorld(s.key())
	w.rules.Dialect.MayLack, w.rules.Dialect.MaxLifetime = []string{"iat"}, 2*time.Hour
	cache := tokencache.New(10, w)
	issued := s.token(t)
	begins := s.token(t, func(claims map[string]any) {
		claims["iat"], claims["nbf"] = start.Add(-time.Hour).Unix(), start.Unix()
	})
	undated := s.token(t, func(claims map[string]any) { delete(claims, "iat") })
	early, expired := accesstoken.ErrNotYetValid, accesstoken.ErrExpired
	for _, c := range []struct {
		at                      time.Duration
		issued, begins, undated error
	}{
		{0, nil, nil, nil}, {time.Hour + 59*time.Second, nil, nil, nil}, {time.Hour + 60*time.Second, expired, expired, expired}, {0, nil, nil, nil},
		{-60 * time.Second, nil, nil, nil}, {-61 * time.Second, early, early, nil}, {time.Minute, nil, nil, nil},
		{-2 * time.Hour, early, early, accesstoken.ErrLifetime}, {48 * time.Hour, expired, expired, expired},
	} {
		w.now = start.Add(c.at)
		for token, want := range map[string]error{issued: c.issued, begins: c.begins, undated: c.undated} {
			if _, err := cache.Verify(t.Context(), token); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("after %s: got %v, want %v", c.at, err, want)
			}
		}
	}
}

// A refusal isn't kept: the token is good as soon as the reason is gone.
func TestRefusalsAreNotKept(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	w := newWorld()
	cache, token := tokencache.New(10, w), s.token(t)
	for range 3 {
		if _, err := cache.Verify(t.Context(), token); !errors.Is(err, accesstoken.ErrKey) {
			t.Fatalf("without keys: %v", err)
		}
	}
	w.keys = jwks.Set{s.key()}
	accepted(t, cache, token)
	if w.verified != 4 {
		t.Errorf("verified %d times, want 4", w.verified)
	}
}

// The tokens of one client don't displace another's, however many there are.
func TestAFloodOfOneClientDisplacesItsOwn(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	w := newWorld(s.key())
	cache, good := tokencache.New(50, w), s.token(t, of("honest"))
	accepted(t, cache, good)
	for range 500 {
		accepted(t, cache, s.token(t, of("flood")))
	}
	before := w.verified
	if accepted(t, cache, good); w.verified != before {
		t.Error("the honest client's token was displaced")
	}

	const size = 1000
	table := tokencache.NewTable[int](size, size)
	table.Put("good", "honest", 1, start.Add(time.Hour), start)
	for i := range 100_000 {
		table.Put(fmt.Sprint("flood ", i), "flood", i, start.Add(time.Hour), start)
	}
	if _, ok := table.Get("good"); !ok || table.Len() != size {
		t.Errorf("displaced: %t; %d tokens", !ok, table.Len())
	}
	if _, ok := table.Get("flood 99999"); !ok {
		t.Error("the client's newest token isn't there")
	}
}

// What has ended makes room, and a token that is put again is one token.
func TestWhatHasEndedGoes(t *testing.T) {
	t.Parallel()
	table := tokencache.NewTable[int](10, 10)
	for i := range 5 {
		table.Put(fmt.Sprint(i), "a", i, start.Add(time.Second), start)
	}
	table.Put("last", "b", 1, start.Add(time.Hour), start.Add(time.Minute))
	table.Put("last", "b", 2, start.Add(time.Hour), start.Add(time.Minute))
	if known, ok := table.Get("last"); table.Len() != 1 || !ok || known != 2 {
		t.Errorf("%d tokens, %d, %t", table.Len(), known, ok)
	}
	if table.Remove("last"); table.Len() != 0 {
		t.Error("it is still there")
	}
	for i := range 20 { // what was removed takes no room
		table.Put("removed", "a", i, start.Add(time.Hour), start)
		table.Remove("removed")
		table.Put(fmt.Sprint(i%10), "a", i, start.Add(time.Hour), start)
	}
	if table.Len() != 10 {
		t.Errorf("%d tokens", table.Len())
	}
}

// Each request has a principal of its own.
func TestPrincipalsAreCopies(t *testing.T) {
	t.Parallel()
	s := newSigner("k")
	cache, token := tokencache.New(10, newWorld(s.key())), s.token(t)
	for range 3 {
		who := accepted(t, cache, token)
		if who.Subject != "alice" || !slices.Equal(who.Scopes, []string{"mcp:read"}) || !slices.Equal(who.Roles, []string{"user"}) {
			t.Fatalf("got %+v", who)
		}
		who.Subject, who.Scopes[0], who.Roles[0] = "mallory", "mcp:all", "admin"
	}
}

// asked decides as an issuer that is asked about each token does.
type asked struct{ times int }

func (a *asked) Decide(context.Context, string) (*accesstoken.Decision, error) {
	a.times++
	return &accesstoken.Decision{Principal: &principal.Principal{Subject: "alice"}}, nil
}

// A decision that package accesstoken didn't make isn't kept.
func TestOthersDecisionsAreNotKept(t *testing.T) {
	t.Parallel()
	source := &asked{}
	cache := tokencache.New(10, source)
	for range 3 {
		accepted(t, cache, "opaque")
	}
	if source.times != 3 {
		t.Errorf("asked %d times, want 3", source.times)
	}
	if decision := (&accesstoken.Decision{}); decision.Keeps() || decision.Again(t.Context()) == nil {
		t.Error("a decision of nobody counts")
	}
}

// At any time and with any keys, the cache says what its source says.
func FuzzAsWithoutCache(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 64, 0, 128, 0, 3, 192, 0, 1})
	f.Add([]byte("any order of tokens, keys and times"))
	s, other := newSigner("k"), newSigner("k")
	tokens := []string{
		s.token(f), s.token(f, of("other")), other.token(f), s.token(f, func(c map[string]any) { c["nbf"] = start.Add(time.Hour / 2).Unix() }),
		s.token(f, func(c map[string]any) { c["aud"] = "elsewhere" }), "a.b.c",
	}
	tokens = append(tokens, tokens[0][:len(tokens[0])-4]+"AAAA")
	sets := []jwks.Set{{s.key()}, nil, {other.key()}, {s.key(), other.key()}, {s.key(), newSigner("new").key()}}
	f.Fuzz(func(t *testing.T, acts []byte) {
		w := newWorld(s.key())
		cache := tokencache.New(3, w)
		for _, act := range acts {
			switch n := int(act & 63); act >> 6 {
			case 0, 1:
				got, err := cache.Verify(t.Context(), tokens[n%len(tokens)])
				want, wantErr := w.rules.Verify(t.Context(), tokens[n%len(tokens)])
				if fmt.Sprint(err) != fmt.Sprint(wantErr) || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Fatalf("token %d: %+v, %v; without the cache %+v, %v", n%len(tokens), got, err, want, wantErr)
				}
			case 2:
				w.now = start.Add(time.Duration(n-4) * 2 * time.Minute)
			case 3:
				w.keys = sets[n%len(sets)]
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newSigner("k")
	w := newWorld(s.key())
	token := s.token(b)
	for name, verifier := range map[string]interface {
		Verify(context.Context, string) (*principal.Principal, error)
	}{"each time": w.rules, "cached": tokencache.New(10, w)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				accepted(b, verifier, token)
			}
		})
	}
}
