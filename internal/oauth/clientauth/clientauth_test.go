package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const issuer = "https://id.example"

// Each method adds what its RFC says, and nothing else.
func TestAdd(t *testing.T) {
	t.Parallel()
	credentials := Credentials{ID: "a b", Secret: "p%s:s+ä"}
	for method, want := range map[string]struct {
		form, header string
	}{
		None: {"client_id=a+b", ""},
		// RFC 6749, section 2.3.1: form-encoded, and only then joined.
		Basic: {"", "Basic " + base64.StdEncoding.EncodeToString([]byte("a+b:p%25s%3As%2B%C3%A4"))},
		Post:  {"client_id=a+b&client_secret=p%25s%3As%2B%C3%A4", ""},
	} {
		form, header := url.Values{}, http.Header{}
		if err := credentials.Add(method, issuer, form, header, time.Now()); err != nil || form.Encode() != want.form || header.Get("Authorization") != want.header {
			t.Errorf("%s: %s, %s, %v", method, form.Encode(), header, err)
		}
	}
	if err := credentials.Add("client_secret_jwt", issuer, url.Values{}, http.Header{}, time.Now()); !errors.Is(err, ErrMethod) {
		t.Errorf("client_secret_jwt: %v", err)
	}
	if err := credentials.Add(PrivateKeyJWT, issuer, url.Values{}, http.Header{}, time.Now()); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", credentials, credentials, credentials); strings.Contains(shown, "p%s") {
		t.Errorf("the secret is shown: %s", shown)
	}
}

// An assertion is for the issuer alone, lasts a minute and has an id of its own
// (RFC 7523, section 3), with each type of key that can be read from a file.
func TestAssertion(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, key := range keys(t) {
		read, err := ParseKey("key.pem", key.pem)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ids := map[any]bool{}
		for range 2 {
			form, header := url.Values{}, http.Header{}
			if err := (Credentials{ID: "c", Key: read, KeyID: "k1"}).Add(PrivateKeyJWT, issuer, form, header, now); err != nil {
				t.Fatal(err)
			}
			said := jwt.MapClaims{}
			token, err := jwt.ParseWithClaims(form.Get("client_assertion"), said, func(*jwt.Token) (any, error) { return key.public, nil },
				jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithAudience(issuer), jwt.WithIssuer("c"), jwt.WithSubject("c"))
			if err != nil || token.Header["kid"] != "k1" || said["exp"].(float64)-said["iat"].(float64) != 60 ||
				form.Get("client_assertion_type") != assertionType || form.Get("client_id") != "c" || len(header) > 0 || len(form) != 3 {
				t.Errorf("%s: %v, %v, %v", name, form, said, err)
			}
			ids[said["jti"]] = true
		}
		if len(ids) != 2 {
			t.Errorf("%s: two assertions have one jti", name)
		}
	}
	if form := (url.Values{}); (Credentials{ID: "c", Key: keys(t)["EC"].signer}).Add(PrivateKeyJWT, issuer, form, http.Header{}, now) == nil {
		if token, _, err := jwt.NewParser().ParseUnverified(form.Get("client_assertion"), jwt.MapClaims{}); err != nil || token.Header["kid"] != nil {
			t.Errorf("without a key id: %v, %v", token, err)
		}
	}
}

type pair struct {
	pem    []byte
	public crypto.PublicKey
	signer crypto.Signer
}

func keys(t *testing.T) map[string]pair {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]pair{
		"RSA PKCS #1": {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey.Public(), rsaKey},
		"EC SEC 1":    {encode("EC PRIVATE KEY", sec1), ecKey.Public(), ecKey},
	}
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey, "EC": ecKey, "Ed25519": edKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = pair{encode("PRIVATE KEY", der), key.Public(), key}
	}
	return all
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// A key that can't be used is named by its file, and said to be so at once.
func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"hunter2": "not a PEM file",
		string(encode("PRIVATE KEY", []byte("x"))):  "can't be read",
		string(encode("PRIVATE KEY", der)):          "want RSA, ECDSA P-256 or Ed25519",
		string(encode("EC PRIVATE KEY", []byte{1})): "can't be read",
	} {
		if key, err := ParseKey("key.pem", []byte(text)); key != nil || err == nil || !strings.Contains(err.Error(), says) ||
			!strings.Contains(err.Error(), "key.pem") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, %v, want %q", key, err, says)
		}
	}
}
