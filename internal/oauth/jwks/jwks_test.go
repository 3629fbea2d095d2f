package jwks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The keys are made once: that takes a second under the race detector.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, MinRSABits)) })
	weakKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey   = sync.OnceValue(func() ed25519.PublicKey {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		return must(public, err)
	})
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// text is a key as JSON, with more members; null takes one away.
func text(key map[string]any, more string) string {
	if more != "" {
		if err := json.Unmarshal([]byte(more), &key); err != nil {
			panic(err)
		}
	}
	maps.DeleteFunc(key, func(_ string, value any) bool { return value == nil })
	return string(must(json.Marshal(key)))
}

func rsaJWK(key *rsa.PrivateKey, more string) string {
	return text(map[string]any{"kty": "RSA", "kid": "a", "n": b64(key.N.Bytes()), "e": "AQAB"}, more)
}

func ecJWK(key *ecdsa.PrivateKey, more string) string {
	point := must(key.PublicKey.Bytes())[1:]
	half := len(point) / 2
	return text(map[string]any{"kty": "EC", "kid": "a", "crv": key.Params().Name, "x": b64(point[:half]), "y": b64(point[half:])}, more)
}

func edJWK(more string) string {
	return text(map[string]any{"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": b64(edKey())}, more)
}

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func TestD05ParseKeepsGoodKeys(t *testing.T) {
	for name, c := range map[string]struct {
		text, algorithm string
		public          crypto.PublicKey
	}{
		"RSA":            {rsaJWK(rsaKey(), ""), "RS256", &rsaKey().PublicKey},
		"RSA for RS256":  {rsaJWK(rsaKey(), `{"alg":"RS256","use":"sig"}`), "RS256", &rsaKey().PublicKey},
		"RSA for PS256":  {rsaJWK(rsaKey(), `{"alg":"PS256"}`), "PS256", &rsaKey().PublicKey},
		"RSA to verify":  {rsaJWK(rsaKey(), `{"key_ops":["verify"]}`), "RS256", &rsaKey().PublicKey},
		"RSA and more":   {rsaJWK(rsaKey(), `{"x5u":"http://127.0.0.1:1/","x-else":{"d":1}}`), "RS256", &rsaKey().PublicKey},
		"P-256":          {ecJWK(ecKey(), ""), "ES256", &ecKey().PublicKey},
		"P-256 stated":   {ecJWK(ecKey(), `{"alg":"ES256"}`), "ES256", &ecKey().PublicKey},
		"Ed25519":        {edJWK(""), "EdDSA", edKey()},
		"Ed25519 stated": {edJWK(`{"alg":"EdDSA"}`), "EdDSA", edKey()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(set(c.text))
			if err != nil {
				t.Fatal(err)
			}
			same := got[0].Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(c.public)
			if len(got) != 1 || got[0].ID != "a" || got[0].Algorithm != c.algorithm || !same {
				t.Errorf("Parse = %+v", got)
			}
		})
	}
}

// Each of these is left out, and does no harm to a good key on either side.
func TestD04D05ParseLeavesOut(t *testing.T) {
	exponent := func(e int64) string { return fmt.Sprintf(`{"e":%q}`, b64(big.NewInt(e).Bytes())) }
	p224, p384 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	bad := map[string]string{
		"D04 unknown kty":         `{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`,
		"D04 no kty":              `{}`,
		"D04 kty of a number":     `{"kty":5}`,
		"D04 kty in other case":   rsaJWK(rsaKey(), `{"kty":"rsa"}`),
		"D04 null":                `null`,
		"D04 number":              `1`,
		"D04 string":              `"key"`,
		"D04 array":               `[]`,
		"D04 RSA without n":       rsaJWK(rsaKey(), `{"n":null}`),
		"D04 RSA without e":       rsaJWK(rsaKey(), `{"e":null}`),
		"D04 n no base64":         rsaJWK(rsaKey(), `{"n":"%%%"}`),
		"D04 n of a number":       rsaJWK(rsaKey(), `{"n":1}`),
		"D04 kid of a number":     rsaJWK(rsaKey(), `{"kid":1}`),
		"D04 EC without y":        ecJWK(ecKey(), `{"y":null}`),
		"D05 RSA-1024":            rsaJWK(weakKey(), ""),
		"D05 e=0":                 rsaJWK(rsaKey(), exponent(0)),
		"D05 e=1":                 rsaJWK(rsaKey(), exponent(1)),
		"D05 e=2":                 rsaJWK(rsaKey(), exponent(2)),
		"D05 e even":              rsaJWK(rsaKey(), exponent(65538)),
		"D05 e beyond an int":     rsaJWK(rsaKey(), `{"e":"AQAAAAAAAAEAAQ"}`),
		"D05 off the curve":       ecJWK(ecKey(), fmt.Sprintf(`{"y":%q}`, b64(append(make([]byte, 31), 1)))),
		"D05 point at infinity":   ecJWK(ecKey(), fmt.Sprintf(`{"x":%q,"y":%[1]q}`, b64(make([]byte, 32)))),
		"D05 P-256 called P-384":  ecJWK(ecKey(), `{"crv":"P-384"}`),
		"D05 EC called RSA":       ecJWK(ecKey(), `{"kty":"RSA"}`),
		"D05 P-384":               ecJWK(p384, ""),
		"D05 P-384 for ES256":     ecJWK(p384, `{"alg":"ES256"}`),
		"D05 P-224":               ecJWK(p224, ""),
		"D05 P-256 for ES384":     ecJWK(ecKey(), `{"alg":"ES384"}`),
		"D05 secp256k1":           `{"kty":"EC","crv":"secp256k1","x":"eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g","y":"SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg"}`,
		"D05 short Ed25519":       edJWK(`{"x":"AAAA"}`),
		"D05 X25519":              edJWK(`{"crv":"X25519"}`),
		"D05 Ed25519 for ES256":   edJWK(`{"alg":"ES256"}`),
		"D05 oct":                 `{"kty":"oct","kid":"s","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		"D05 oct for HS256":       `{"kty":"oct","kid":"s","alg":"HS256","use":"sig","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		"D05 oct for RS256":       `{"kty":"oct","kid":"s","alg":"RS256","k":"AAAA"}`,
		"D05 private RSA":         rsaJWK(rsaKey(), privateParts()),
		"D05 RSA with d":          rsaJWK(rsaKey(), `{"d":"AQAB"}`),
		"D05 RSA with empty d":    rsaJWK(rsaKey(), `{"d":""}`),
		"D05 private EC":          ecJWK(ecKey(), fmt.Sprintf(`{"d":%q}`, b64(must(ecKey().Bytes())))),
		"D05 private Ed25519":     edJWK(fmt.Sprintf(`{"d":%q}`, b64(make([]byte, 32)))),
		"C05 use=enc":             rsaJWK(rsaKey(), `{"use":"enc"}`),
		"C05 use of other case":   rsaJWK(rsaKey(), `{"use":"SIG"}`),
		"C05 empty use":           rsaJWK(rsaKey(), `{"use":""}`),
		"C05 use of a number":     rsaJWK(rsaKey(), `{"use":1}`),
		"C05 key_ops=encrypt":     rsaJWK(rsaKey(), `{"key_ops":["encrypt"]}`),
		"C05 key_ops=sign":        rsaJWK(rsaKey(), `{"key_ops":["sign"]}`),
		"C05 empty key_ops":       rsaJWK(rsaKey(), `{"key_ops":[]}`),
		"C05 use=enc to verify":   rsaJWK(rsaKey(), `{"use":"enc","key_ops":["verify"]}`),
		"C05 key_ops of a string": rsaJWK(rsaKey(), `{"key_ops":"verify"}`),
		"C04 alg=none":            rsaJWK(rsaKey(), `{"alg":"none"}`),
		"C04 alg=HS256":           rsaJWK(rsaKey(), `{"alg":"HS256"}`),
		"C04 alg=RS384":           rsaJWK(rsaKey(), `{"alg":"RS384"}`),
		"C04 alg=ES256":           rsaJWK(rsaKey(), `{"alg":"ES256"}`),
		"C04 alg=RSA-OAEP":        rsaJWK(rsaKey(), `{"alg":"RSA-OAEP"}`),
		"C04 empty alg":           rsaJWK(rsaKey(), `{"alg":""}`),
		"C04 alg of a number":     rsaJWK(rsaKey(), `{"alg":1}`),
	}
	// Parts of a private key give the whole away (RFC 7518, section 6.3.2).
	for _, member := range []string{"p", "q", "dp", "dq", "qi", "oth", "k"} {
		bad["D05 RSA with "+member] = rsaJWK(rsaKey(), fmt.Sprintf(`{%q:"AQAB"}`, member))
	}
	good := rsaJWK(rsaKey(), `{"kid":"good"}`)
	for name, text := range bad {
		t.Run(name, func(t *testing.T) {
			if got, err := Parse(set(text)); !errors.Is(err, ErrUnusable) || got != nil {
				t.Errorf("alone: Parse = %+v, %v", got, err)
			}
			for _, both := range [][]byte{set(text, good), set(good, text)} {
				if got, err := Parse(both); err != nil || len(got) != 1 || got[0].ID != "good" {
					t.Errorf("beside a good key: Parse = %+v, %v", got, err)
				}
			}
		})
	}
}

// WC1: only what is used is read, and null means absent.
func TestWC1_UnusedMembers(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]string{
		"x5c is junk":         `{"x5c":["junk"],"x5t":"?","x5t#S256":1,"x5u":7}`,
		"x5c is PEM":          `{"x5c":["-----BEGIN CERTIFICATE-----"]}`,
		"x5c is a number":     `{"x5c":5}`,
		"null where optional": `{"use":null,"key_ops":null,"alg":null,"x5c":null,"d":null,"crv":null}`,
		"unknown members":     `{"exp":"soon","nbf":{},"issuer":[1],"Portal":1,"portal":2}`,
	} {
		got, leftOut, err := ParseFor(set(rsaJWK(rsaKey(), members)), []string{"RS256"})
		if err != nil || len(got) != 1 || len(leftOut) != 0 {
			t.Errorf("%s: %+v, %v, %v", name, got, leftOut, err)
		}
	}
	_, leftOut, err := ParseFor(set(rsaJWK(rsaKey(), `{"kid":"odd","use":"enc"}`), rsaJWK(rsaKey(), "")), []string{"RS256"})
	if err != nil || len(leftOut) != 1 || !strings.Contains(leftOut[0].Error(), `"odd"`) || !strings.Contains(leftOut[0].Error(), "use") {
		t.Errorf("left out: %v, %v", leftOut, err)
	}
}

// WC2: a key without an algorithm is for the first allowed one of its type; one
// that states its algorithm keeps it.
func TestWC2_KeyWithoutAlgorithm(t *testing.T) {
	t.Parallel()
	for allowed, want := range map[string]string{"PS256": "PS256", "ES256 PS256 RS256": "PS256", "RS256 PS256": "RS256", "ES256": ""} {
		got, _, err := ParseFor(set(rsaJWK(rsaKey(), "")), strings.Fields(allowed))
		if want == "" && err == nil || want != "" && (err != nil || got[0].Algorithm != want || !got[0].Assumed) {
			t.Errorf("%s: %+v, %v", allowed, got, err)
		}
	}
	got, _, err := ParseFor(set(rsaJWK(rsaKey(), `{"alg":"RS256"}`)), []string{"PS256"})
	if err != nil || got[0].Algorithm != "RS256" || got[0].Assumed {
		t.Errorf("stated: %+v, %v", got, err)
	}
}

// WC3: a key that is listed twice is one key.
func TestWC3_SameKeyTwice(t *testing.T) {
	t.Parallel()
	one := rsaJWK(rsaKey(), `{"kid":"a"}`)
	if got, err := Parse(set(one, one)); err != nil || len(got) != 1 {
		t.Errorf("%d keys, %v", len(got), err)
	}
}

// WC6: Ed25519 is the other name of EdDSA with this curve (RFC 9864).
func TestWC6_Ed25519(t *testing.T) {
	t.Parallel()
	x := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	got, err := Parse(set(`{"kty":"OKP","crv":"Ed25519","kid":"e","alg":"Ed25519","x":"` + x + `"}`))
	if err != nil || got[0].Algorithm != "EdDSA" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, algorithm := range []string{"EdDSA", "Ed25519"} {
		if _, err := got.Key(context.Background(), "e", algorithm); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

func privateParts() string {
	k := rsaKey()
	return fmt.Sprintf(`{"d":%q,"p":%q,"q":%q,"dp":%q,"dq":%q,"qi":%q}`, b64(k.D.Bytes()), b64(k.Primes[0].Bytes()), b64(k.Primes[1].Bytes()),
		b64(k.Precomputed.Dp.Bytes()), b64(k.Precomputed.Dq.Bytes()), b64(k.Precomputed.Qinv.Bytes()))
}

// What is no key set at all is an error, so that the last good one can stay.
func TestD03ParseNoKeySet(t *testing.T) {
	good := rsaJWK(rsaKey(), "")
	for name, text := range map[string]string{
		"empty":                    "",
		"HTML":                     "<html></html>",
		"empty object":             `{}`,
		"no keys":                  `{"keys":[]}`,
		"null":                     `{"keys":null}`,
		"object":                   `{"keys":` + good + `}`,
		"string":                   `{"keys":"x"}`,
		"Keys":                     `{"Keys":[` + good + `]}`,
		"array":                    `[` + good + `]`,
		"bare JWK":                 good,
		"truncated":                string(set(good))[:100],
		"trailing garbage":         string(set(good)) + "x",
		"two sets":                 string(set(good)) + string(set(good)),
		"keys twice":               `{"keys":[],"keys":[` + good + `]}`,
		"keys and KEYS":            `{"keys":[` + good + `],"KEYS":[]}`,
		"member twice":             `{"keys":[` + good[:len(good)-1] + `,"kid":"b"}]}`,
		"broken UTF-8":             string(set(good[:len(good)-1] + ",\"x\":\"\xff\"}")),
		"bare JWK with empty keys": good[:len(good)-1] + `,"keys":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Parse([]byte(text)); err == nil || got != nil {
				t.Errorf("Parse = %+v, %v", got, err)
			}
		})
	}
}

func TestC09_WC3_SetKey(t *testing.T) {
	keys := Set{{ID: "a", Algorithm: "RS256"}, {ID: "b", Algorithm: "RS256"}, {ID: "twice", Algorithm: "RS256"}, {ID: "twice", Algorithm: "ES256"}}
	for _, id := range []string{"a", "b"} {
		if key, err := keys.Key(context.Background(), id, "RS256"); err != nil || key.ID != id {
			t.Errorf("Key(%q) = %+v, %v", id, key, err)
		}
	}
	// WC3: keys of one id are told apart by their algorithm.
	for _, algorithm := range []string{"RS256", "ES256"} {
		if key, err := keys.Key(context.Background(), "twice", algorithm); err != nil || key.Algorithm != algorithm {
			t.Errorf("Key(twice, %s) = %+v, %v", algorithm, key, err)
		}
	}
	if key, err := keys.Key(context.Background(), "a", "ES256"); err != nil || key.Algorithm != "RS256" {
		t.Errorf("the one key of an id: %+v, %v", key, err)
	}
	keys = append(keys, Key{ID: "three", Algorithm: "RS256"}, Key{ID: "three", Algorithm: "RS256"}, Key{ID: "three", Algorithm: "ES256"})
	for _, id := range []string{"three", "c", "", "A", "a\x00", strings.Repeat("x", 10<<10), "\r\n"} {
		key, err := keys.Key(context.Background(), id, "RS256")
		if !errors.Is(err, ErrUnknownKey) || key != (Key{}) || len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("Key(%.10q) = %+v, %.500q", id, key, err)
		}
	}
}

// The example of RFC 7638, section 3.1.
func TestNewThumbprint(t *testing.T) {
	n, err := base64.RawURLEncoding.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
	if err != nil {
		t.Fatal(err)
	}
	key, err := New(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}, "RS256")
	if err != nil || key.ID != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("New = %q, %v", key.ID, err)
	}
}

func TestD05NewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		public    any
		algorithm string
	}{
		"RSA-1024":          {&weakKey().PublicKey, "RS256"},
		"e=1":               {&rsa.PublicKey{N: rsaKey().N, E: 1}, "RS256"},
		"e=2":               {&rsa.PublicKey{N: rsaKey().N, E: 2}, "RS256"},
		"e even":            {&rsa.PublicKey{N: rsaKey().N, E: 65538}, "RS256"},
		"RSA for ES256":     {&rsaKey().PublicKey, "ES256"},
		"RSA for HS256":     {&rsaKey().PublicKey, "HS256"},
		"RSA for none":      {&rsaKey().PublicKey, "none"},
		"RSA for nothing":   {&rsaKey().PublicKey, ""},
		"private RSA":       {rsaKey(), "RS256"},
		"private EC":        {ecKey(), "ES256"},
		"EC for RS256":      {&ecKey().PublicKey, "RS256"},
		"Ed25519 for RS256": {edKey(), "RS256"},
		"secret":            {[]byte("secret"), "HS256"},
		"secret for RS256":  {[]byte("secret"), "RS256"},
		"nil":               {nil, "RS256"},
	} {
		if key, err := New(c.public, c.algorithm); err == nil {
			t.Errorf("%s: New = %+v", name, key)
		}
		// jwx refuses some of them earlier, which is no promise.
		if err := (Key{ID: "a", Algorithm: c.algorithm, Public: c.public}).check(); !errors.Is(err, ErrUnusable) {
			t.Errorf("%s: check = %v", name, err)
		}
	}
}

func TestD05Handler(t *testing.T) {
	keys := Set{must(New(&rsaKey().PublicKey, "RS256")), must(New(&ecKey().PublicKey, "ES256")), must(New(edKey(), "EdDSA"))}
	shown := get(Handler(keys))
	for name, want := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*",
	} {
		if got := shown.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var page map[string][]map[string]string
	if err := json.Unmarshal(shown.Body.Bytes(), &page); err != nil || len(page) != 1 || len(page["keys"]) != 3 || !strings.HasSuffix(shown.Body.String(), "}\n") {
		t.Fatalf("%v in %s", err, shown.Body)
	}
	for i, members := range []string{"alg e kid kty n use", "alg crv kid kty use x y", "alg crv kid kty use x"} {
		key := page["keys"][i]
		if strings.Join(slices.Sorted(maps.Keys(key)), " ") != members || key["use"] != "sig" || key["kid"] != keys[i].ID || key["alg"] != keys[i].Algorithm {
			t.Errorf("shown: %v, want the members %s", key, members)
		}
	}
	// A reader gets the same keys back.
	again, err := Parse(shown.Body.Bytes())
	if err != nil || !equal(again, keys) {
		t.Errorf("read again: %+v, %v", again, err)
	}
	if got := get(Handler(nil)).Body.String(); got != "{\"keys\":[]}\n" {
		t.Errorf("the empty set is shown as %q", got)
	}
}

func get(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/jwks.json", nil))
	return w
}

func equal(a, b Set) bool {
	return slices.EqualFunc(a, b, func(a, b Key) bool {
		return a.ID == b.ID && a.Algorithm == b.Algorithm && a.Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(b.Public)
	})
}

// Whoever puts a private key where a public one belongs learns it at the
// start, and shows nothing.
func TestD05HandlerPanicsOnPrivateKeys(t *testing.T) {
	for name, secret := range map[string]any{"RSA": rsaKey(), "EC": ecKey(), "secret": []byte("secret"), "RSA-1024": &weakKey().PublicKey} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			body := get(Handler(Set{{ID: "a", Algorithm: "RS256", Public: secret}})).Body
			t.Errorf("shown: %d bytes", body.Len())
		})
	}
}

// Requests come at the same time; run with -race.
func TestHandlerConcurrently(t *testing.T) {
	h := Handler(Set{must(New(&rsaKey().PublicKey, "RS256"))})
	want := get(h).Body.String()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got := get(h).Body.String(); got != want {
					t.Errorf("shown: %s", got)
				}
			}
		})
	}
	group.Wait()
}
