package mcpauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionLifetime is how long a client assertion is good for: it is used at
// once.
const assertionLifetime = time.Minute

// secretMethods are the ways to send a secret, in the order of preference: what
// stands in the form needs no encoding that two sides could do differently.
var secretMethods = []string{"client_secret_post", "client_secret_basic"}

// method chooses how the client authenticates itself: as it was registered, if
// the server said how; else by the first method that it can and the server
// supports (RFC 6749, section 2.3; RFC 7591, section 2).
func (r *Registration) method(supported []string) string {
	if r.AuthMethod != "" {
		return r.AuthMethod
	}
	if r.ClientSecret == "" {
		return "none"
	}
	if len(supported) == 0 { // then it is Basic (RFC 8414, section 2)
		return "client_secret_basic"
	}
	for _, method := range secretMethods {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return "none"
}

// authenticate adds the client's authentication to a token request.
func (r *Registration) authenticate(supported []string, audience string, form url.Values, header http.Header, now time.Time) error {
	method := r.method(supported)
	if method != "client_secret_basic" || r.BasicWithID {
		form.Set("client_id", r.ClientID)
	}
	switch method {
	case "none":
	case "client_secret_basic":
		// Both parts are form-encoded before they are joined (RFC 6749,
		// section 2.3.1).
		pair := url.QueryEscape(r.ClientID) + ":" + url.QueryEscape(r.ClientSecret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case "client_secret_post":
		form.Set("client_secret", r.ClientSecret)
	case "private_key_jwt":
		if r.signer == nil {
			return fmt.Errorf("%w: client %s authenticates itself with a key, and none was given", ErrRegistration, r.ClientID)
		}
		assertion, err := r.signer.assertion(audience, now)
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	default:
		return fmt.Errorf("%w: client authentication %.40q is not supported", ErrRegistration, method)
	}
	return nil
}

// assertion signs who the client is (RFC 7523, section 3). Its audience is the
// issuer and nothing else: an assertion for a token endpoint could be used at
// another server that names the same endpoint.
func (p *PreRegistered) assertion(audience string, now time.Time) (string, error) {
	method, err := signingMethod(p.Key)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": p.ClientID, "sub": p.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if p.KeyID != "" {
		token.Header["kid"] = p.KeyID
	}
	return token.SignedString(p.Key)
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
