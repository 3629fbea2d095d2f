package mint

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
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
	{"alg-none", "C01", "says that it needs no signature, and has none: anybody could write it", func(d *Draft) error {
		d.Header["alg"] = "none"
		d.Sign = func([]byte) ([]byte, error) { return nil, nil }
		return nil
	}},
	{"alg-none-case", "C01", "alg-none, spelled nOnE to slip past a comparison with \"none\"", func(d *Draft) error {
		d.Header["alg"] = "nOnE"
		d.Sign = func([]byte) ([]byte, error) { return nil, nil }
		return nil
	}},
	{"hs256-public-key", "C02", "signed with HS256 and the public key as the secret, which everybody has: a verifier that lets the token choose the algorithm takes it", func(d *Draft) error {
		der, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
		d.hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		return err
	}},
	{"hs256-empty-secret", "C03", "signed with HS256 and an empty secret", func(d *Draft) error {
		d.hmac(nil)
		return nil
	}},
	{"rs384", "C03", "signed by the right key with an algorithm that isn't allowed", func(d *Draft) error {
		d.Header["alg"] = "RS384"
		d.Sign = func(input []byte) ([]byte, error) {
			hash := crypto.SHA384.New()
			hash.Write(input)
			return rsa.SignPKCS1v15(nil, d.key, crypto.SHA384, hash.Sum(nil))
		}
		return nil
	}},
	{"ps256", "C04", "signed by the right key with PS256, though the key is published for RS256", func(d *Draft) error {
		d.Header["alg"] = "PS256"
		d.Sign = func(input []byte) ([]byte, error) {
			sum := sha256.Sum256(input)
			return rsa.SignPSS(rand.Reader, d.key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return nil
	}},
	{"alg-twice", "C04", "names two algorithms in its header, so that two readers can pick different ones", func(d *Draft) error {
		d.HeaderText = fmt.Sprintf(`{"alg":"none","alg":"RS256","typ":"at+jwt","kid":%q}`, d.Header["kid"])
		return nil
	}},
	{"embedded-key", "C06", "signed by a stranger's key, which it brings along in its header (jwk)", func(d *Draft) error {
		stranger, err := d.strangerSigns()
		if err == nil {
			d.Header["jwk"] = map[string]any{
				"kty": "RSA", "n": encode(stranger.N.Bytes()), "e": encode(big.NewInt(int64(stranger.E)).Bytes()),
			}
		}
		return err
	}},
	{"key-url", "C07", "signed by a stranger's key, with the address to fetch it from in its header (jku)", func(d *Draft) error {
		d.Header["jku"] = "http://127.0.0.1:1/jwks.json"
		_, err := d.strangerSigns()
		return err
	}},
	{"kid-path", "C08", "names a file as its key id, for a verifier that opens it", header("kid", "../../../../dev/null")},
	{"kid-sql", "C08", "has a key id that is SQL, for a verifier that looks it up in a database", header("kid", "' OR 1=1--")},
	{"kid-number", "C08", "has a key id that is no string", header("kid", 1)},
	{"kid-missing", "C09", "doesn't say which key signed it", header("kid", nil)},
	{"unknown-key", "C09", "signed by a stranger's key, under that key's own id", func(d *Draft) error {
		d.Header["kid"] = "a-key-that-nobody-published"
		_, err := d.strangerSigns()
		return err
	}},
	{"bad-signature", "C21", "signed by a stranger's key, under the id of the right one", func(d *Draft) error {
		_, err := d.strangerSigns()
		return err
	}},
	{"tampered", "C21", "was changed after it was signed: it now acts for somebody else", func(d *Draft) error {
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
	{"crit", "C10", "has an extension that must be understood (crit), and nobody understands it", func(d *Draft) error {
		d.Header["crit"] = []string{"x-evil"}
		d.Header["x-evil"] = 1
		return nil
	}},
	{"b64-false", "C11", "claims that its payload isn't base64 (RFC 7797)", header("b64", false)},
	{"id-token", "C12", "is an ID token of the same issuer: made for a client to know its user, not to open a server", header("typ", "JWT")},
	{"logout-token", "C12", "is a logout token of the same issuer", header("typ", "logout+jwt")},
	{"no-audience", "C13", "names no audience, so it could be meant for any server", claim("aud", nil)},
	{"audience-object", "C13", "has an audience that is neither a string nor an array", func(d *Draft) error {
		d.Claims["aud"] = map[string]any{d.Claims["aud"].(string): 1}
		return nil
	}},
	{"wrong-audience", "C14", "is meant for another server of the same issuer, and was passed on", changed("aud", elsewhere)},
	{"audience-slash", "C14", "has an audience that differs by a slash at the end", changed("aud", func(s string) string { return s + "/" })},
	{"audience-parent", "C14", "is meant for the site, not for its MCP endpoint", changed("aud", func(s string) string { return strings.TrimSuffix(s, "/mcp") })},
	{"wrong-issuer", "C15", "comes from another issuer", changed("iss", elsewhere)},
	{"issuer-slash", "C15", "has an issuer that differs by a slash at the end", changed("iss", func(s string) string { return s + "/" })},
	{"no-issuer", "C15", "doesn't say who issued it", claim("iss", nil)},
	{"expired", "C16", "ended an hour ago", func(d *Draft) error {
		d.Claims["iat"] = d.now.Add(-2 * time.Hour).Unix()
		d.Claims["exp"] = d.now.Add(-time.Hour).Unix()
		return nil
	}},
	{"no-expiry", "C16", "never ends", claim("exp", nil)},
	{"expiry-text", "C16", "has an expiry that is a string", func(d *Draft) error {
		d.Claims["exp"] = fmt.Sprint(d.Claims["exp"])
		return nil
	}},
	{"expiry-twice", "C16", "has two expiries, one long past: two readers can pick different ones", func(d *Draft) error {
		text, err := json.Marshal(d.Claims)
		d.ClaimsText = `{"exp":1,` + string(text[1:])
		return err
	}},
	{"expiry-case", "C16", "is expired, with an EXP in the future that a careless reader takes for exp", func(d *Draft) error {
		d.Claims["EXP"] = d.Claims["exp"]
		d.Claims["exp"] = d.now.Add(-time.Hour).Unix()
		return nil
	}},
	{"not-yet-valid", "C17", "begins in an hour", later("nbf")},
	{"issued-in-future", "C17", "was issued in an hour", later("iat")},
	{"no-issued-at", "C17", "doesn't say when it was issued", claim("iat", nil)},
	{"for-decades", "C17", "is valid until 2099", claim("exp", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).Unix())},
	{"no-subject", "C18", "doesn't say for whom it acts", claim("sub", nil)},
	{"subject-number", "C18", "has a subject that is a number", claim("sub", 1)},
	{"no-client", "C18", "doesn't say which client it was given to", claim("client_id", nil)},
	{"no-id", "C18", "has no id of its own, so that it can't be traced or revoked", claim("jti", nil)},
	{"payload-array", "C19", "has a payload that is no object", func(d *Draft) error {
		d.ClaimsText = "[]"
		return nil
	}},
	{"payload-two-objects", "C19", "has a second object behind its payload, which says admin", func(d *Draft) error {
		text, err := json.Marshal(d.Claims)
		d.ClaimsText = string(text) + `{"roles":["admin"]}`
		return err
	}},
	{"scope-array", "E03", "has its scopes in an array, which is no scope claim", claim("scope", []string{"mcp:read", "mcp:tools"})},
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
	return func(d *Draft) error { return put(d.Claims, name, d.now.Add(time.Hour).Unix()) }
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

func (d *Draft) hmac(secret []byte) {
	d.Header["alg"] = "HS256"
	d.Sign = func(input []byte) ([]byte, error) {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil), nil
	}
}

// strangerSigns lets a fresh key sign, that no server knows.
func (d *Draft) strangerSigns() (*rsa.PrivateKey, error) {
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	d.Sign = func(input []byte) ([]byte, error) { return rs256(stranger, input) }
	return stranger, err
}
