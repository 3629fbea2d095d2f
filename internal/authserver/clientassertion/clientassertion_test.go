package clientassertion

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/jws"
)

const (
	issuer   = "http://localhost:8080/realms/mcp-realm"
	endpoint = issuer + "/protocol/openid-connect/token"
	client   = "robot"
)

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	stranger = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(private, err)
	})
)

// registered are the client's keys, one for each algorithm.
func registered() jwks.Set {
	return jwks.Set{
		{ID: "rs", Algorithm: "RS256", Public: &rsaKey().PublicKey},
		{ID: "ps", Algorithm: "PS256", Public: &rsaKey().PublicKey},
		{ID: "es", Algorithm: "ES256", Public: &ecKey().PublicKey},
		{ID: "ed", Algorithm: "EdDSA", Public: edKey().Public()},
	}
}

// clock is one that tests turn.
type clock struct{ atomic.Int64 }

func (c *clock) now() time.Time            { return start.Add(time.Duration(c.Load())) }
func (c *clock) advance(by time.Duration)  { c.Add(int64(by)) }
func verifier(c *clock) *Verifier          { return &Verifier{Audience: []string{issuer, endpoint}, Now: c.now} }
func at(by time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(start.Add(by)) }

// draft is a good assertion with an id of its own.
func draft() *jwt.Token {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": client, "sub": client, "aud": issuer, "jti": rand.Text(), "exp": at(time.Minute), "iat": at(0),
	})
	token.Header["kid"] = "es"
	return token
}

func set(name string, value any) func(*jwt.Token) {
	return func(token *jwt.Token) {
		if value == nil {
			delete(token.Claims.(jwt.MapClaims), name)
		} else {
			token.Claims.(jwt.MapClaims)[name] = value
		}
	}
}

func header(name string, value any) func(*jwt.Token) {
	return func(token *jwt.Token) { token.Header[name] = value }
}

func TestAS12_GoodAssertions(t *testing.T) {
	pss := &jwt.SigningMethodRSAPSS{SigningMethodRSA: jwt.SigningMethodPS256.SigningMethodRSA, Options: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}}
	for _, c := range []struct {
		kid    string
		method jwt.SigningMethod
		key    any
	}{{"rs", jwt.SigningMethodRS256, rsaKey()}, {"ps", pss, rsaKey()}, {"es", jwt.SigningMethodES256, ecKey()}, {"ed", jwt.SigningMethodEdDSA, edKey()}} {
		token := draft()
		token.Method, token.Header["alg"], token.Header["kid"] = c.method, c.method.Alg(), c.kid
		if err := verifier(&clock{}).Verify(t.Context(), must(token.SignedString(c.key)), client, registered()); err != nil {
			t.Errorf("%s: %v", c.kid, err)
		}
	}
	for name, change := range map[string]func(*jwt.Token){
		"token endpoint as audience": set("aud", endpoint),
		"without iat":                set("iat", nil),
		"with nbf":                   set("nbf", at(0)),
		"no typ":                     func(token *jwt.Token) { delete(token.Header, "typ") },
		"explicit typ":               header("typ", "client-authentication+jwt"),
		"whole media type":           header("typ", "application/Client-Authentication+JWT"),
		"longest life":               set("exp", at(MaxLifetime)),
		"ended within the leeway":    set("exp", at(-Leeway+time.Second)),
		"issued within the leeway":   set("iat", at(Leeway)),
		"longest id":                 set("jti", strings.Repeat("x", maxID)),
	} {
		token := draft()
		change(token)
		if err := verifier(&clock{}).Verify(t.Context(), must(token.SignedString(ecKey())), client, registered()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAS12_BadAssertions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*jwt.Token)
		want   error
	}{
		"issuer is another client":  {set("iss", "other"), ErrClient},
		"subject is another client": {set("sub", "other"), ErrClient},
		"no issuer":                 {set("iss", nil), ErrClient},
		"no subject":                {set("sub", nil), ErrClient},
		"subject is a number":       {set("sub", 1), jws.ErrMalformed},
		"no audience":               {set("aud", nil), ErrAudience},
		"empty audience":            {set("aud", ""), ErrAudience},
		"another server":            {set("aud", "https://other.example"), ErrAudience},
		"audience with a slash":     {set("aud", issuer+"/"), ErrAudience},
		"audience in capitals":      {set("aud", strings.ToUpper(issuer)), ErrAudience},
		"audience in an array":      {set("aud", []string{issuer}), ErrAudience},
		"two audiences":             {set("aud", []string{issuer, "https://other.example"}), ErrAudience},
		"no expiry":                 {set("exp", nil), ErrExpired},
		"expired":                   {set("exp", at(-Leeway)), ErrExpired},
		"expiry in quotes":          {set("exp", "1780315260"), jws.ErrMalformed},
		"expiry null":               {func(token *jwt.Token) { token.Claims.(jwt.MapClaims)["exp"] = nil }, jws.ErrMalformed},
		"for hours":                 {set("exp", at(time.Hour)), ErrLifetime},
		"a second too long":         {set("exp", at(MaxLifetime+Leeway+time.Second)), ErrLifetime},
		"not yet":                   {set("nbf", at(Leeway+time.Second)), ErrNotYet},
		"issued in the future":      {set("iat", at(Leeway+time.Second)), ErrNotYet},
		"no id":                     {set("jti", nil), ErrNoID},
		"empty id":                  {set("jti", ""), ErrNoID},
		"id is a number":            {set("jti", 1), jws.ErrMalformed},
		"huge id":                   {set("jti", strings.Repeat("x", maxID+1)), ErrNoID},
		"an access token":           {header("typ", "at+jwt"), ErrType},
		"a logout token":            {header("typ", "logout+jwt"), ErrType},
		"typ is a number":           {header("typ", 1), ErrType},
		"extension":                 {header("crit", []string{"x"}), jws.ErrMalformed},
		"no kid":                    {func(token *jwt.Token) { delete(token.Header, "kid") }, jws.ErrKey},
		"unknown kid":               {header("kid", "x"), jws.ErrKey},
		"kid of another key":        {header("kid", "rs"), jws.ErrAlgorithm},
	} {
		token := draft()
		c.change(token)
		if err := verifier(&clock{}).Verify(t.Context(), must(token.SignedString(ecKey())), client, registered()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	good := must(draft().SignedString(ecKey()))
	none := jwt.NewWithClaims(jwt.SigningMethodNone, draft().Claims)
	hmac := jwt.NewWithClaims(jwt.SigningMethodHS256, draft().Claims)
	hmac.Header["kid"] = "es"
	for name, c := range map[string]struct {
		assertion string
		want      error
	}{
		"alg none":      {must(none.SignedString(jwt.UnsafeAllowNoneSignatureType)), jws.ErrAlgorithm},
		"HS256":         {must(hmac.SignedString([]byte("secret"))), jws.ErrAlgorithm},
		"stranger":      {must(draft().SignedString(stranger())), jws.ErrSignature},
		"cut":           {good[:len(good)-2], jws.ErrSignature},
		"empty":         {"", jws.ErrMalformed},
		"two of them":   {good + good, jws.ErrMalformed},
		"not a JWT":     {"secret", jws.ErrMalformed},
		"no signature":  {good[:strings.LastIndex(good, ".")+1], jws.ErrSignature},
		"padded":        {good + "=", jws.ErrMalformed},
		"larger than a": {strings.Repeat("a", jws.MaxSize+1), jws.ErrMalformed},
	} {
		if err := verifier(&clock{}).Verify(t.Context(), c.assertion, client, registered()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		v      *Verifier
		client string
		keys   jwks.Set
		want   error
	}{
		"client of another name":    {verifier(&clock{}), "other", registered(), ErrClient},
		"no client":                 {verifier(&clock{}), "", registered(), ErrClient},
		"client without keys":       {verifier(&clock{}), client, nil, jws.ErrKey},
		"two keys with the same id": {verifier(&clock{}), client, append(registered(), registered()[2]), jws.ErrKey},
		"zero verifier":             {&Verifier{Now: (&clock{}).now}, client, registered(), ErrAudience},
	} {
		if err := c.v.Verify(t.Context(), must(draft().SignedString(ecKey())), c.client, c.keys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// An assertion of nobody is not one of a request that names no client.
func TestAS12_NoClient(t *testing.T) {
	token := draft()
	set("iss", "")(token)
	set("sub", "")(token)
	if err := verifier(&clock{}).Verify(t.Context(), must(token.SignedString(ecKey())), "", registered()); !errors.Is(err, ErrClient) {
		t.Error(err)
	}
}

// Repeated members are refused also where the last of them is good.
func TestAS12_RepeatedMembers(t *testing.T) {
	for _, claims := range []string{
		`{"iss":"robot","sub":"robot","aud":"x","aud":%q,"jti":"1","exp":1780315260}`,
		`{"iss":"robot","sub":"robot","AUD":"x","aud":%q,"jti":"1","exp":1780315260}`,
		`{"iss":"robot","sub":"robot","aud":%q,"jti":"1","exp":1780315260}{}`,
	} {
		input := must(draft().SigningString())
		input = input[:strings.Index(input, ".")+1] + encode(fmt.Sprintf(claims, issuer))
		signature := must(jwt.SigningMethodES256.Sign(input, ecKey()))
		if err := verifier(&clock{}).Verify(t.Context(), input+"."+encode(string(signature)), client, registered()); !errors.Is(err, jws.ErrMalformed) {
			t.Errorf("%s: %v", claims, err)
		}
	}
}

func encode(s string) string { return (&jwt.Token{}).EncodeSegment([]byte(s)) }

func TestAS12_OnceOnly(t *testing.T) {
	c := &clock{}
	v := verifier(c)
	token := draft()
	assertion := must(token.SignedString(ecKey()))
	var accepted atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			err := v.Verify(t.Context(), assertion, client, registered())
			if err == nil {
				accepted.Add(1)
			} else if !errors.Is(err, ErrReplayed) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if accepted.Load() != 1 {
		t.Errorf("accepted %d times", accepted.Load())
	}
	// Signed anew, with the same id: still the same assertion.
	if err := v.Verify(t.Context(), must(token.SignedString(ecKey())), client, registered()); !errors.Is(err, ErrReplayed) {
		t.Errorf("signed anew: %v", err)
	}
	// At no time until the end, and not after it either.
	for range 5 {
		c.advance(Leeway)
		if err := v.Verify(t.Context(), assertion, client, registered()); !errors.Is(err, ErrReplayed) && !errors.Is(err, ErrExpired) {
			t.Errorf("after %s: %v", time.Duration(c.Load()), err)
		}
	}
	// Another client may have the same id.
	other := draft()
	for name, value := range map[string]string{"iss": "other", "sub": "other"} {
		set(name, value)(other)
	}
	c.Store(0)
	set("jti", token.Claims.(jwt.MapClaims)["jti"])(other)
	if err := v.Verify(t.Context(), must(other.SignedString(ecKey())), "other", registered()); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// A refused assertion is not used up: otherwise whoever saw a jti could spoil
// it.
func TestAS12_RefusedIsNotUsed(t *testing.T) {
	v := verifier(&clock{})
	token := draft()
	if err := v.Verify(t.Context(), must(token.SignedString(stranger())), client, registered()); !errors.Is(err, jws.ErrSignature) {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), must(token.SignedString(ecKey())), client, registered()); err != nil {
		t.Error(err)
	}
}

// The memory is bounded, never forgets what could still be replayed, and has
// room again when it couldn't.
func TestAS12_BoundedMemory(t *testing.T) {
	c := &clock{}
	v := verifier(c)
	v.Memory = 3
	verify := func(by time.Duration) error {
		token := draft()
		set("exp", at(time.Duration(c.Load())+by))(token)
		set("iat", nil)(token)
		return v.Verify(t.Context(), must(token.SignedString(ecKey())), client, registered())
	}
	for range 3 {
		if err := verify(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify(time.Minute); !errors.Is(err, ErrFull) {
		t.Errorf("with the memory full: %v", err)
	}
	c.advance(time.Minute + Leeway)
	if err := verify(time.Minute); err != nil || len(v.used) != 1 {
		t.Errorf("after their end: %v, %d remembered", err, len(v.used))
	}
}

// by makes a good assertion of another client.
func by(name string, changes ...func(*jwt.Token)) string {
	token := draft()
	for _, change := range append(changes, set("iss", name), set("sub", name)) {
		change(token)
	}
	return must(token.SignedString(ecKey()))
}

// WD6: one client's assertions use up its own share, not everybody's.
func TestWD6_OneClientCantUseUpTheMemory(t *testing.T) {
	v := verifier(&clock{})
	v.PerClient, v.Memory = 5, 8
	flood := 0
	for range 100 {
		if err := v.Verify(t.Context(), by("flood"), "flood", registered()); err == nil {
			flood++
		} else if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	if flood != 5 {
		t.Errorf("one client used %d assertions", flood)
	}
	if err := v.Verify(t.Context(), by("honest"), "honest", registered()); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// WD17: an assertion that was used before a restart is not good again after it.
func TestWD17_AssertionsOfBeforeTheStartAreRefused(t *testing.T) {
	assertion, withoutIssued := by(client), by(client, set("iat", nil))
	c := &clock{}
	for _, used := range []string{assertion, withoutIssued} {
		if err := verifier(c).Verify(t.Context(), used, client, registered()); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(1500 * time.Millisecond)
	restarted := verifier(c)
	restarted.Since = c.now()
	for _, used := range []string{assertion, withoutIssued} {
		if err := restarted.Verify(t.Context(), used, client, registered()); !errors.Is(err, ErrOld) {
			t.Errorf("after the restart: %v", err)
		}
	}
	// A new one has the second of the start.
	if err := restarted.Verify(t.Context(), by(client, set("iat", at(time.Second))), client, registered()); err != nil {
		t.Errorf("a new one: %v", err)
	}
	longest := set("exp", at(MaxLifetime+Leeway+time.Second))
	if err := restarted.Verify(t.Context(), by(client, set("iat", nil), longest), client, registered()); err != nil {
		t.Errorf("one whose exp shows that it is new: %v", err)
	}
}

// WD17: an assertion that was used isn't good again when the clock goes forward and
// back.
func TestWD17_AClockThatGoesForwardAndBack(t *testing.T) {
	c := &clock{}
	v := verifier(c)
	used := by(client)
	verify := func(assertion string) error { return v.Verify(t.Context(), assertion, client, registered()) }
	if err := verify(used); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	inAnHour := func(token *jwt.Token) {
		set("iat", at(time.Hour))(token)
		set("exp", at(time.Hour+time.Minute))(token)
	}
	if err := verify(by(client, inAnHour)); err != nil { // meanwhile the first one is forgotten
		t.Fatal(err)
	}
	if len(v.used) != 1 {
		t.Fatalf("%d assertions are remembered", len(v.used))
	}
	c.advance(-time.Hour)
	if err := verify(used); !errors.Is(err, ErrForgotten) {
		t.Errorf("it is good again: %v", err)
	}
	if err := verify(by(client, set("exp", at(2*time.Minute)))); err != nil {
		t.Errorf("one that ends later: %v", err)
	}
}

// WD6: clients for which nobody vouches make room for others, the one with the most
// assertions first.
func TestWD6_ManyClientsCantUseUpTheMemory(t *testing.T) {
	v := verifier(&clock{})
	v.PerClient, v.Memory = 5, 20
	v.Proven = func(id string) bool { return id == "honest" }
	verify := func(id string) (string, error) {
		assertion := by(id)
		return assertion, v.Verify(t.Context(), assertion, id, registered())
	}
	proven, err := verify("honest")
	newcomer, err2 := verify("newcomer")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		for range 2 {
			if _, err := verify(fmt.Sprint("flood ", i%4)); err != nil && !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if _, err := verify("honest"); err != nil {
			t.Errorf("a client for which somebody vouches: %v", err)
		}
	}
	for id, assertion := range map[string]string{"honest": proven, "newcomer": newcomer} {
		if err := v.Verify(t.Context(), assertion, id, registered()); !errors.Is(err, ErrReplayed) {
			t.Errorf("%s, once more: %v", id, err)
		}
	}
	if len(v.used) != 20 {
		t.Errorf("%d are remembered", len(v.used))
	}
}
