// Package clientauth authenticates a client at an authorization server: by a
// secret in the header or in the form (RFC 6749, section 2.3.1), or by an
// assertion that the client signs (RFC 7523, section 2.2).
//
//	credentials := clientauth.Credentials{ID: "echo-mcp-server", Secret: secret}
//	err := credentials.Add(clientauth.Basic, issuer, form, request.Header, time.Now())
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
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The methods by their registered names (RFC 7591, section 2; OpenID Connect
// Core 1.0, section 9).
const (
	None          = "none"
	Basic         = "client_secret_basic"
	Post          = "client_secret_post"
	PrivateKeyJWT = "private_key_jwt"
)

// assertionType is RFC 7523, section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionLifetime is how long a client assertion is good for: it is used at
// once.
const assertionLifetime = time.Minute

var (
	// ErrMethod says that a method is none of those above.
	ErrMethod = errors.New("client authentication is not supported")
	// ErrNoKey says that a client has no key to sign with.
	ErrNoKey = errors.New("the client authenticates itself with a key, and none was given")
)

// Credentials are what a client proves itself with.
type Credentials struct {
	ID     string
	Secret string        // for [Basic] and [Post]
	Key    crypto.Signer // for [PrivateKeyJWT]: RSA, ECDSA P-256 or Ed25519
	KeyID  string        // the kid of Key; empty: assertions have none
}

// Add adds the client's authentication to a request. audience is the issuer
// identifier of the server, the one audience of an assertion: an assertion for a
// URL could be used at another server that names the same URL
// (draft-ietf-oauth-rfc7523bis, section 4).
func (c Credentials) Add(method, audience string, form url.Values, header http.Header, now time.Time) error {
	if method != Basic {
		form.Set("client_id", c.ID)
	}
	switch method {
	case None:
	case Basic:
		// Both parts are form-encoded before they are joined (RFC 6749,
		// section 2.3.1).
		pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case Post:
		form.Set("client_secret", c.Secret)
	case PrivateKeyJWT:
		assertion, err := c.assertion(audience, now)
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	default:
		return fmt.Errorf("%w: %.40q", ErrMethod, method)
	}
	return nil
}

// assertion signs who the client is (RFC 7523, section 3).
func (c Credentials) assertion(audience string, now time.Time) (string, error) {
	if c.Key == nil {
		return "", ErrNoKey
	}
	method, err := signingMethod(c.Key)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": c.ID, "sub": c.ID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if c.KeyID != "" {
		token.Header["kid"] = c.KeyID
	}
	return token.SignedString(c.Key)
}

func signingMethod(key crypto.Signer) (jwt.SigningMethod, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return jwt.SigningMethodRS256, nil
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return jwt.SigningMethodES256, nil
		}
	case ed25519.PrivateKey:
		return jwt.SigningMethodEdDSA, nil
	}
	return nil, fmt.Errorf("a %T can't sign here; want RSA, ECDSA P-256 or Ed25519", key)
}

// ParseKey reads a private key in PEM: PKCS #8, or the older forms of RSA and EC.
// path is what errors call it.
func ParseKey(path string, text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file; make a key with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", path)
	}
	var parsed any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("the private key in %s can't be read: %w", path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the key in %s can't sign; want RSA, ECDSA P-256 or Ed25519", path)
	}
	if _, err := signingMethod(key); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// String names the client, and never shows its secret.
func (c Credentials) String() string { return "client " + c.ID }

// GoString does the same for %#v.
func (c Credentials) GoString() string { return c.String() }
