package accesstoken

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.SHA384 and SHA512
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/mint"
)

func TestC01NoAlgorithm(t *testing.T) {
	signatures := map[string]sign{
		"unsigned": unsigned,
		"signed":   byRSA(signer(), crypto.SHA256),
		"garbage":  func([]byte) ([]byte, error) { return []byte("garbage"), nil },
	}
	for how, by := range signatures {
		for _, name := range []string{"none", "None", "NONE", "nOnE", "none ", "", "null", "rs256", "RS256 "} {
			attack{fmt.Sprintf("%s %q", how, name), signedBy(name, by), ErrAlgorithm}.run(t, verifier())
		}
		for name, spoil := range map[string]change{
			"missing": noHeader("alg"),
			"null":    header("alg", nil),
			"number":  header("alg", 0),
			"array":   header("alg", []string{"RS256"}),
		} {
			attack{how + " " + name, all(spoil, func(d *mint.Draft) { d.Sign = by }), ErrAlgorithm}.run(t, verifier())
		}
	}
	// Not even a list that allows it makes a key of RS256 one for "none".
	v := verifier()
	v.Algorithms = append(v.Algorithms, "none")
	attack{"none is allowed", signedBy("none", unsigned), ErrAlgorithm}.run(t, v)
	attack{"RS256 without a signature", func(d *mint.Draft) { d.Sign = unsigned }, ErrSignature}.run(t, verifier())
}

func TestC02SecretIsPublicKey(t *testing.T) {
	public := &signer().PublicKey
	der := must(x509.MarshalPKIXPublicKey(public))
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	careless := verifier() // one that lists HS256 beside RS256
	careless.Algorithms = append(careless.Algorithms, "HS256", "HS384", "HS512")
	for name, secret := range map[string][]byte{
		"PEM":                 text,
		"PEM without newline": bytes.TrimSpace(text),
		"PEM with CRLF":       bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
		"DER":                 der,
		"PKCS1 DER":           pkcs1,
		"PKCS1 PEM":           pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
		"JWK":                 []byte(jwkOf(signer(), published().ID, "")),
		"JWKS":                shown(t),
		"modulus":             public.N.Bytes(),
		"modulus in base64":   []byte(encode(public.N.Bytes())),
		"kid":                 []byte(published().ID),
	} {
		for _, hs := range []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			spoil := signedBy(hs.Alg(), byHMAC(hs.Hash, secret))
			attack{hs.Alg() + " " + name, spoil, ErrAlgorithm}.run(t, verifier())
			attack{hs.Alg() + " " + name + " (HS256 allowed)", spoil, ErrAlgorithm}.run(t, careless)

			// The mistake: the token chooses the algorithm, and the key is bytes.
			d := draft()
			spoil(d)
			if _, err := jwt.NewParser(jwt.WithoutClaimsValidation()).Parse(token(d), func(*jwt.Token) (any, error) { return secret, nil }); err != nil {
				t.Errorf("%s: no attack at all: %v", name, err)
			}
		}
	}
}

// shown is the key set as the server shows it.
func shown(t *testing.T) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	jwks.Handler(jwks.Set{published()}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Body.Bytes()
}

func byHMAC(hash crypto.Hash, secret []byte) sign {
	return func(input []byte) ([]byte, error) {
		mac := hmac.New(hash.New, secret)
		mac.Write(input)
		return mac.Sum(nil), nil
	}
}

// everyKey is a set with a key of each algorithm.
func everyKey() []jwks.Key {
	return []jwks.Key{
		{ID: "rs", Algorithm: "RS256", Public: &signer().PublicKey},
		{ID: "ps", Algorithm: "PS256", Public: &signer().PublicKey},
		{ID: "es", Algorithm: "ES256", Public: &ecSigner().PublicKey},
		{ID: "ed", Algorithm: "EdDSA", Public: edSigner().Public()},
		published(),
	}
}

// Every key here is known, and every signature good.
func TestC03AlgorithmOutsideTheList(t *testing.T) {
	only256 := verifier(everyKey()...)
	for _, c := range []struct {
		kid, algorithm string
		by             sign
	}{
		{"rs", "RS384", byRSA(signer(), crypto.SHA384)},
		{"rs", "RS512", byRSA(signer(), crypto.SHA512)},
		{"ps", "PS256", byPSS(signer(), crypto.SHA256, 32)},
		{"ps", "PS384", byPSS(signer(), crypto.SHA384, 48)},
		{"ps", "PS512", byPSS(signer(), crypto.SHA512, 64)},
		{"es", "ES256", byES256},
		{"es", "ES256K", byES256},
		{"ed", "EdDSA", byEdDSA},
		{"ed", "Ed25519", byEdDSA},
		{"rs", "HS256", byHMAC(crypto.SHA256, nil)},
		{"rs", "HS256", byHMAC(crypto.SHA256, []byte("secret"))},
	} {
		attack{c.kid + " " + c.algorithm, all(header("kid", c.kid), signedBy(c.algorithm, c.by)), ErrAlgorithm}.run(t, only256)
	}
}

func TestC04AlgorithmOfAnotherKey(t *testing.T) {
	v := lenient(everyKey()...)
	ways := map[string]sign{
		"RS256": byRSA(signer(), crypto.SHA256),
		"PS256": byPSS(signer(), crypto.SHA256, 32),
		"ES256": byES256,
		"EdDSA": byEdDSA,
	}
	for _, key := range everyKey()[:4] {
		for algorithm, by := range ways {
			spoil := all(header("kid", key.ID), signedBy(algorithm, by))
			if algorithm == key.Algorithm {
				d := draft()
				spoil(d)
				accepts(t, v, d)
				continue
			}
			attack{algorithm + " by a key for " + key.Algorithm, spoil, ErrAlgorithm}.run(t, v)
		}
	}
	members := fmt.Sprintf(`"typ":"at+jwt","kid":%q`, published().ID)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"alg twice, good last":  {`{"alg":"none","alg":"RS256",` + members + `}`, ErrMalformed},
		"alg twice, good first": {`{"alg":"RS256","alg":"none",` + members + `}`, ErrMalformed},
		"alg twice, the same":   {`{"alg":"RS256",` + members + `,"alg":"RS256"}`, ErrMalformed},
		"alg and ALG":           {`{"alg":"none","ALG":"RS256",` + members + `}`, ErrMalformed},
		"escaped alg twice":     {`{"alg":"RS256","\u0061lg":"none",` + members + `}`, ErrMalformed},
		"ALG alone":             {`{"ALG":"RS256",` + members + `}`, ErrAlgorithm},
		"kid twice":             {`{"alg":"RS256","kid":"other",` + members + `}`, ErrMalformed},
		"typ twice":             {`{"alg":"RS256","typ":"JWT",` + members + `}`, ErrMalformed},
	} {
		attack{name, func(d *mint.Draft) { d.HeaderText = c.text }, c.want}.run(t, verifier())
	}
}

func TestC05KeyNotForSigning(t *testing.T) {
	kid := published().ID
	other := jwkOf(stranger(), "other", "") // so that the set has a usable key
	for name, good := range map[string]string{"states nothing": "", "use": `,"use":"sig"`, "key_ops": `,"key_ops":["verify"]`} {
		t.Run("good: "+name, func(t *testing.T) { accepts(t, lenient(parsed(t, jwkOf(signer(), kid, good)+","+other)...), draft()) })
	}
	for name, bad := range map[string]string{
		"use=enc":                 `,"use":"enc"`,
		"key_ops=encrypt":         `,"key_ops":["encrypt"]`,
		"key_ops=sign":            `,"key_ops":["sign"]`,
		"key_ops=none":            `,"key_ops":[]`,
		"use=enc, key_ops=verify": `,"use":"enc","key_ops":["verify"]`,
		"alg=RSA-OAEP":            `,"alg":"RSA-OAEP"`,
		"alg=RS512":               `,"alg":"RS512"`,
		"alg=HS256":               `,"alg":"HS256"`,
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, lenient(parsed(t, jwkOf(signer(), kid, bad)+","+other)...), token(draft()), ErrKey)
		})
	}
}

// The signatures are good, by a key that the token itself brings along.
func TestC06EmbeddedKey(t *testing.T) {
	var jwk map[string]any
	if err := json.Unmarshal([]byte(jwkOf(stranger(), published().ID, "")), &jwk); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, &stranger().PublicKey, stranger()))
	sum := sha256.Sum256(certificate)
	for name, bring := range map[string]change{
		"jwk":      header("jwk", jwk),
		"x5c":      header("x5c", []string{base64.StdEncoding.EncodeToString(certificate)}),
		"x5t#S256": header("x5t#S256", encode(sum[:])),
	} {
		spoil := all(bring, func(d *mint.Draft) { d.Sign = byRSA(stranger(), crypto.SHA256) })
		attack{name, spoil, ErrSignature}.run(t, verifier())
		attack{name + ", its kid", all(spoil, header("kid", "brought-along")), ErrKey}.run(t, verifier())
		attack{name + ", no kid", all(spoil, noHeader("kid")), ErrKey}.run(t, verifier())
	}
}

// Nothing is fetched from where the token points to.
func TestC07KeyURL(t *testing.T) {
	var hits atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		fmt.Fprintf(w, `{"keys":[%s]}`, jwkOf(stranger(), published().ID, ""))
	}))
	defer trap.Close()
	by := func(d *mint.Draft) { d.Sign = byRSA(stranger(), crypto.SHA256) }
	for _, name := range []string{"jku", "x5u", "kid", "iss"} {
		want := ErrSignature
		if name == "kid" {
			want = ErrKey
		}
		attack{name, all(by, header(name, trap.URL+"/keys.json")), want}.run(t, verifier())
	}
	attack{"jku and x5u, unknown kid", all(by, header("jku", trap.URL), header("x5u", trap.URL), header("kid", "theirs")), ErrKey}.run(t, verifier())
	if hits.Load() != 0 {
		t.Errorf("%d requests went where a token pointed to", hits.Load())
	}
}

func TestC08KeyIDInjection(t *testing.T) {
	for name, kid := range map[string]any{
		"path":   "../../../../dev/null",
		"SQL":    "' OR 1=1--",
		"NUL":    published().ID + "\x00",
		"CRLF":   published().ID + "\r\n",
		"blank":  " " + published().ID,
		"case":   strings.ToUpper(published().ID),
		"10 KB":  strings.Repeat("k", 10<<10),
		"URL":    "file:///etc/passwd",
		"empty":  "",
		"number": 1,
		"object": map[string]any{"id": published().ID},
		"array":  []string{published().ID},
		"null":   nil,
		"true":   true,
	} {
		attack{name, header("kid", kid), ErrKey}.run(t, verifier())
	}
}

func TestC09KeyIDAmbiguous(t *testing.T) {
	rs, other := published(), jwks.Key{ID: "other", Algorithm: "RS256", Public: &stranger().PublicKey}
	attack{"no kid, one key", noHeader("kid"), ErrKey}.run(t, lenient())
	attack{"no kid, two keys", noHeader("kid"), ErrKey}.run(t, lenient(rs, other))
	attack{"empty kid, key without id", header("kid", ""), ErrKey}.run(t, lenient(rs, jwks.Key{Algorithm: "RS256", Public: rs.Public}))
	attack{"unknown kid", header("kid", "nobody"), ErrKey}.run(t, lenient(rs, other))
	attack{"kid of another key", header("kid", "other"), ErrSignature}.run(t, lenient(rs, other))

	shared := other
	shared.ID = rs.ID
	for name, set := range map[string]jwks.Set{
		"two RSA keys":       {rs, shared},
		"the same key twice": {rs, rs}, // which jwks.Parse takes for one
	} {
		t.Run(name+" share a kid", func(t *testing.T) {
			accepts(t, lenient(set[0]), draft())
			refuses(t, lenient(set...), token(draft()), ErrKey)
		})
	}
}

// WC3: keys of one id are told apart by the algorithm that the token names, out of
// the verifier's list.
func TestWC3_KeysOfOneID(t *testing.T) {
	t.Parallel()
	rs := published()
	for name, other := range map[string]jwks.Key{
		"RSA and EC":           {ID: rs.ID, Algorithm: "ES256", Public: &ecSigner().PublicKey},
		"RSA for RS256, PS256": {ID: rs.ID, Algorithm: "PS256", Public: rs.Public},
	} {
		t.Run(name, func(t *testing.T) { accepts(t, lenient(rs, other), draft()) })
	}
}

func TestC10CriticalExtension(t *testing.T) {
	for name, spoil := range map[string]change{
		"unknown":         all(header("crit", []string{"x-evil"}), header("x-evil", 1)),
		"empty":           header("crit", []string{}),
		"null":            header("crit", nil),
		"registered":      header("crit", []string{"alg"}),
		"known elsewhere": all(header("crit", []string{"exp"}), header("exp", now.Unix())),
		"no array":        header("crit", "x-evil"),
		"b64":             all(header("crit", []string{"b64"}), header("b64", true)),
	} {
		attack{name, spoil, ErrMalformed}.run(t, verifier())
	}
}

func TestC11OtherForms(t *testing.T) {
	nested := token(draft())
	for name, spoil := range map[string]change{
		"b64=false":          header("b64", false),
		"b64=true":           header("b64", true),
		"zip":                header("zip", "DEF"),
		"enc":                header("enc", "A128GCM"),
		"nested, cty=JWT":    all(header("cty", "JWT"), payload(nested)),
		"cty alone":          header("cty", "JWT"),
		"nested without cty": payload(nested),
		"nested in quotes":   payload(`"` + nested + `"`),
	} {
		attack{name, spoil, ErrMalformed}.run(t, verifier())
	}

	good := token(draft())
	accepts(t, verifier(), draft())
	p := strings.Split(good, ".")
	header, claims, signature := p[0], p[1], p[2]
	for name, bad := range map[string]string{
		"empty":                        "",
		"blank":                        " ",
		"two dots alone":               "..",
		"no dot":                       strings.ReplaceAll(good, ".", ""),
		"1 dot":                        header + "." + claims,
		"3 dots":                       good + ".",
		"4 dots":                       good + "..",
		"a fourth part":                good + "." + signature,
		"leading dot":                  "." + good,
		"five parts (JWE)":             strings.Join([]string{header, "", "AAAAAAAAAAAAAAAA", claims, signature}, "."),
		"no header":                    "." + claims + "." + signature,
		"flattened JSON serialization": fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, claims, header, signature),
		"general JSON serialization":   fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, claims, header, signature),
		"padding of the header":        padded(header) + "." + claims + "." + signature,
		"padding of the payload":       header + "." + padded(claims) + "." + signature,
		"padding of the signature":     header + "." + claims + "." + padded(signature),
		"LF in the header":             header[:5] + "\n" + header[5:] + "." + claims + "." + signature,
		"CRLF in the payload":          header + "." + claims[:9] + "\r\n" + claims[9:] + "." + signature,
		"LF in the signature":          good[:len(good)-5] + "\n" + good[len(good)-5:],
		"LF behind":                    good + "\n",
		"CR before":                    "\r" + good,
		"blank before":                 " " + good,
		"tab behind":                   good + "\t",
		"NUL behind":                   good + "\x00",
		"base64 of the other alphabet": header + "." + claims + "." + strings.NewReplacer("-", "+", "_", "/").Replace(signature) + "+",
		"unused bits":                  good[:len(good)-1] + strayBits(good[len(good)-1]),
		"with its scheme":              "Bearer " + good,
		"percent-encoded":              strings.ReplaceAll(good, ".", "%2e"),
		"full-width dots":              strings.ReplaceAll(good, ".", "\uff0e"),
		"dots alone, 16 KB":            strings.Repeat(".", 16<<10),
		"a million dots":               strings.Repeat(".", 1e6),
	} {
		t.Run(name, func(t *testing.T) { refuses(t, verifier(), bad, ErrMalformed) })
	}
}

func padded(part string) string { return part + strings.Repeat("=", 4-len(part)%4) }

// strayBits is the character that decodes to the same bits as c, plus one that
// isn't used: 256 bytes leave four bits over.
func strayBits(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)|1:][:1]
}

// Above this size nothing is decoded.
func TestA15LongestToken(t *testing.T) {
	for size, want := range map[int]error{jws.MaxSize: nil, jws.MaxSize + 1: ErrMalformed} {
		d := draft()
		claim("filler", "")(d)
		// Four characters of base64 hold three bytes; the last are found by trying.
		for fill := (size - len(token(d))) * 3 / 4; len(token(d)) < size; fill++ {
			claim("filler", strings.Repeat("x", fill))(d)
		}
		if got := len(token(d)); got != size {
			t.Fatalf("made %d bytes, not %d", got, size)
		}
		if want == nil {
			accepts(t, verifier(), d)
		} else {
			refuses(t, verifier(), token(d), want)
		}
	}
}

func TestC21Signature(t *testing.T) {
	for name, by := range map[string]sign{
		"stranger":       byRSA(stranger(), crypto.SHA256),
		"other hash":     byRSA(signer(), crypto.SHA512),
		"PSS":            byPSS(signer(), crypto.SHA256, 32),
		"empty":          unsigned,
		"one byte":       func([]byte) ([]byte, error) { return []byte{0}, nil },
		"zeros":          func([]byte) ([]byte, error) { return make([]byte, 256), nil },
		"zero in front":  edited(func(s []byte) []byte { return append([]byte{0}, s...) }),
		"zero behind":    edited(func(s []byte) []byte { return append(s, 0) }),
		"cut":            edited(func(s []byte) []byte { return s[:len(s)-1] }),
		"last bit":       edited(func(s []byte) []byte { s[len(s)-1] ^= 1; return s }),
		"first bit":      edited(func(s []byte) []byte { s[0] ^= 0x80; return s }),
		"plus modulus":   edited(func(s []byte) []byte { return new(big.Int).Add(new(big.Int).SetBytes(s), signer().N).Bytes() }),
		"of other bytes": func([]byte) ([]byte, error) { return byRSA(signer(), crypto.SHA256)([]byte("other")) },
	} {
		attack{name, func(d *mint.Draft) { d.Sign = by }, ErrSignature}.run(t, verifier())
	}
	// The salt of PS256 is as long as its hash (RFC 7518, section 3.5).
	for _, salt := range []int{0, 20, 31, 33, 64, rsa.PSSSaltLengthAuto} {
		spoil := all(header("kid", "ps"), signedBy("PS256", byPSS(signer(), crypto.SHA256, salt)))
		attack{fmt.Sprintf("salt of %d", salt), spoil, ErrSignature}.run(t, lenient(everyKey()...))
	}
	// Every part is covered: what was signed can't be put together anew.
	a, b := strings.Split(token(draft()), "."), strings.Split(token(with(draft(), all(claim("sub", "bob"), header("x", 1)))), ".")
	for name, mixed := range map[string]string{
		"header of another":    b[0] + "." + a[1] + "." + a[2],
		"payload of another":   a[0] + "." + b[1] + "." + a[2],
		"signature of another": a[0] + "." + a[1] + "." + b[2],
		"detached payload":     a[0] + ".." + a[2],
	} {
		t.Run(name, func(t *testing.T) { refuses(t, verifier(), mixed, ErrSignature) })
	}
}

// edited is a good signature with an edit.
func edited(edit func([]byte) []byte) sign {
	return func(input []byte) ([]byte, error) {
		signature, err := byRSA(signer(), crypto.SHA256)(input)
		return edit(signature), err
	}
}

// The source is asked for exactly the id that the token names, with the
// request's context, and only once.
func TestC08SourceIsAskedOnce(t *testing.T) {
	type mark struct{}
	ctx := context.WithValue(context.Background(), mark{}, "request")
	spy := &spySource{}
	v := verifier()
	v.Keys = spy
	kid := "../k\r\n"
	_, _ = v.Verify(ctx, token(with(draft(), header("kid", kid))))
	if len(spy.asked) != 1 || spy.asked[0] != kid || spy.ctx.Value(mark{}) != "request" {
		t.Errorf("asked for %q", spy.asked)
	}
	// Before the algorithm is known to be allowed, nobody is asked at all.
	_, _ = v.Verify(ctx, token(with(draft(), signedBy("none", unsigned))))
	if len(spy.asked) != 1 {
		t.Errorf("asked for a key of alg none: %q", spy.asked)
	}
}

type spySource struct {
	asked []string
	ctx   context.Context
}

func (s *spySource) Key(ctx context.Context, id, _ string) (jwks.Key, error) {
	s.asked, s.ctx = append(s.asked, id), ctx
	return jwks.Key{}, jwks.ErrUnknownKey
}
