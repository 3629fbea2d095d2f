package mint

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Flaw makes a token wrong in exactly one way.
type Flaw struct {
	Name    string
	Attack  string // id in the catalogue of attacks
	Explain string // what is wrong, and what would happen if nobody looked
	Spoil   func(*Draft) error
}

// FlawByName finds a flaw.
func FlawByName(name string) (Flaw, bool) {
	i := slices.IndexFunc(Flaws, func(f Flaw) bool { return f.Name == name })
	if i < 0 {
		return Flaw{}, false
	}
	return Flaws[i], true
}

// Flaws are all of them, by what they attack.
var Flaws = []Flaw{
	{"alg-none", "C01", "has alg none and no signature: anybody could write it", unsigned("none")},
	{"alg-none-case", "C01", "has alg nOnE, which a comparison with \"none\" misses, and no signature", unsigned("nOnE")},
	{"hs256-public-key", "C02", "is signed with HS256, and the public key is the secret; " +
		"a verifier that lets the token choose the algorithm accepts it", func(d *Draft) error {
		der, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
		d.signBy(jwt.SigningMethodHS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		return err
	}},
	{"hs256-empty-secret", "C03", "is signed with HS256 and an empty secret", func(d *Draft) error {
		d.signBy(jwt.SigningMethodHS256, []byte{})
		return nil
	}},
	{"rs384", "C03", "is signed by the right key with an algorithm that isn't allowed", func(d *Draft) error {
		d.signBy(jwt.SigningMethodRS384, d.key)
		return nil
	}},
	{"ps256", "C04", "is signed by the right key with PS256, but the key is published for RS256", func(d *Draft) error {
		d.signBy(jwt.SigningMethodPS256, d.key)
		return nil
	}},
	{"alg-twice", "C04", "has alg twice in its header, so that two readers can pick different ones", func(d *Draft) error {
		d.HeaderText = fmt.Sprintf(`{"alg":"none","alg":"RS256","typ":"at+jwt","kid":%q}`, d.Header["kid"])
		return nil
	}},
	{"embedded-key", "C06", "is signed by an unknown key, which stands in its own header (jwk)", func(d *Draft) error {
		unknown, err := d.unknownKeySigns()
		if err == nil {
			d.Header["jwk"], err = jwk.Import(&unknown.PublicKey)
		}
		return err
	}},
	{"key-url", "C07", "is signed by an unknown key, whose address stands in its header (jku)", func(d *Draft) error {
		unknown, err := d.unknownKeySigns()
		if err == nil {
			// The attacker's site shows the key that stands in the URL.
			key := url.Values{"kid": {fmt.Sprint(d.Header["kid"])}, "n": {encode(unknown.N.Bytes())}}
			d.Header["jku"] = cmp.Or(d.grant.Attacker, Attacker) + "/jwks.json?" + key.Encode()
		}
		return err
	}},
	{"kid-path", "C08", "has a file path as its key id, for a verifier that opens it", header("kid", "../../../../dev/null")},
	{"kid-sql", "C08", "has a key id that is SQL, for a verifier that looks it up in a database", header("kid", "' OR 1=1--")},
	{"kid-number", "C08", "has a key id that is not a string", header("kid", 1)},
	{"kid-missing", "C09", "has no key id", header("kid", nil)},
	{"unknown-key", "C09", "is signed by an unknown key, under that key's own id", func(d *Draft) error {
		d.Header["kid"] = "a-key-that-nobody-published"
		_, err := d.unknownKeySigns()
		return err
	}},
	{"bad-signature", "C21", "is signed by an unknown key, under the id of the right one", func(d *Draft) error {
		_, err := d.unknownKeySigns()
		return err
	}},
	{"tampered", "C21", "was changed after it was signed: it now names another user", func(d *Draft) error {
		honest, err := (&Draft{Header: d.Header, Claims: maps.Clone(d.Claims), Sign: d.Sign}).Token()
		if err != nil {
			return err
		}
		d.Claims["sub"] = "not-" + d.Claims["sub"].(string)
		d.Sign = func([]byte) ([]byte, error) {
			return base64.RawURLEncoding.DecodeString(honest[strings.LastIndex(honest, ".")+1:])
		}
		return nil
	}},
	{"crit", "C10", "has a header extension that must be understood (crit) and that no verifier knows", func(d *Draft) error {
		d.Header["crit"] = []string{"x-evil"}
		d.Header["x-evil"] = 1
		return nil
	}},
	{"b64-false", "C11", "says that its payload is not base64 (RFC 7797)", header("b64", false)},
	{"id-token", "C12", "is an ID token of the same issuer: it tells a client who its user is, and is not for servers", header("typ", "JWT")},
	{"logout-token", "C12", "is a logout token of the same issuer", header("typ", "logout+jwt")},
	{"no-audience", "C13", "has no audience, so it could be meant for any server", claim("aud", nil)},
	{"audience-object", "C13", "has an audience that is neither a string nor an array", func(d *Draft) error {
		d.Claims["aud"] = map[string]any{d.Claims["aud"].(string): 1}
		return nil
	}},
	{"wrong-audience", "C14", "is meant for another server of the same issuer, which passed it on", changed("aud", elsewhere)},
	{"audience-slash", "C14", "has an audience that differs by a slash at the end", changed("aud", func(s string) string { return s + "/" })},
	{"audience-parent", "C14", "is meant for the site, not for its MCP endpoint", changed("aud", func(s string) string {
		return strings.TrimSuffix(s, "/mcp")
	})},
	{"wrong-issuer", "C15", "comes from another issuer", changed("iss", elsewhere)},
	{"issuer-slash", "C15", "has an issuer that differs by a slash at the end", changed("iss", func(s string) string { return s + "/" })},
	{"no-issuer", "C15", "has no issuer", claim("iss", nil)},
	{"expired", "C16", "expired an hour ago", func(d *Draft) error {
		d.Claims["iat"] = d.grant.Now.Add(-2 * time.Hour).Unix()
		d.Claims["exp"] = d.grant.Now.Add(-time.Hour).Unix()
		return nil
	}},
	{"no-expiry", "C16", "has no expiry", claim("exp", nil)},
	{"expiry-text", "C16", "has an expiry that is a string", func(d *Draft) error {
		d.Claims["exp"] = fmt.Sprint(d.Claims["exp"])
		return nil
	}},
	{"expiry-twice", "C16", "has exp twice, once long past, so that two readers can pick different ones", func(d *Draft) error {
		text, err := json.Marshal(d.Claims)
		d.ClaimsText = `{"exp":1,` + string(text[1:])
		return err
	}},
	{"expiry-case", "C16", "is expired, and has an EXP in the future, which some readers take for exp", func(d *Draft) error {
		d.Claims["EXP"] = d.Claims["exp"]
		d.Claims["exp"] = d.grant.Now.Add(-time.Hour).Unix()
		return nil
	}},
	{"not-yet-valid", "C17", "is not valid before an hour from now", later("nbf")},
	{"issued-in-future", "C17", "has a date of issue that is an hour from now", later("iat")},
	{"no-issued-at", "C17", "has no date of issue", claim("iat", nil)},
	{"for-decades", "C17", "is valid until 2099", claim("exp", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).Unix())},
	{"no-subject", "C18", "has no subject", claim("sub", nil)},
	{"subject-number", "C18", "has a subject that is a number", claim("sub", 1)},
	{"no-client", "C18", "has no client_id", claim("client_id", nil)},
	{"no-id", "C18", "has no jti, so that it cannot be traced or revoked", claim("jti", nil)},
	{"payload-array", "C19", "has a payload that is not an object", func(d *Draft) error {
		d.ClaimsText = "[]"
		return nil
	}},
	{"payload-two-objects", "C19", "has a second object after its payload, with the role admin", func(d *Draft) error {
		text, err := json.Marshal(d.Claims)
		d.ClaimsText = string(text) + `{"roles":["admin"]}`
		return err
	}},
	{"scope-array", "E03", "has its scopes in an array; the scope claim is a string", claim("scope", []string{"mcp:read", "mcp:tools"})},
}

// header sets a member of the header, or takes it away with nil.
func header(name string, value any) func(*Draft) error {
	return func(d *Draft) error { return put(d.Header, name, value) }
}

// claim sets a claim, or takes it away with nil.
func claim(name string, value any) func(*Draft) error {
	return func(d *Draft) error { return put(d.Claims, name, value) }
}

func put(members map[string]any, name string, value any) error {
	if value == nil {
		delete(members, name)
	} else {
		members[name] = value
	}
	return nil
}

// later puts a date an hour ahead.
func later(name string) func(*Draft) error {
	return func(d *Draft) error { return put(d.Claims, name, d.grant.Now.Add(time.Hour).Unix()) }
}

// elsewhere is a URL with another host.
func elsewhere(url string) string { return strings.Replace(url, "://", "://other.", 1) }

// changed edits a claim that is a string.
func changed(name string, edit func(string) string) func(*Draft) error {
	return func(d *Draft) error {
		d.Claims[name] = edit(d.Claims[name].(string))
		return nil
	}
}

// unsigned leaves the signature empty.
func unsigned(alg string) func(*Draft) error {
	return func(d *Draft) error {
		d.Header["alg"] = alg
		d.Sign = func([]byte) ([]byte, error) { return nil, nil }
		return nil
	}
}

// unknownKey is a key that no server knows. One for all flaws: to make it takes a while.
var unknownKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// unknownKeySigns lets a key sign that no server knows.
func (d *Draft) unknownKeySigns() (*rsa.PrivateKey, error) {
	unknown, err := unknownKey()
	d.signBy(jwt.SigningMethodRS256, unknown)
	return unknown, err
}
