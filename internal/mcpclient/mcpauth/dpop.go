package mcpauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/web/baseurl"
)

// DPoPMode says whether tokens are bound to a key of the client, so that a
// stolen token can't be used (RFC 9449).
type DPoPMode int

const (
	// DPoPWhenOffered binds tokens where both servers know how: the
	// authorization server lists an algorithm for proofs that this client has,
	// and the MCP server says that it takes such tokens.
	DPoPWhenOffered DPoPMode = iota
	// DPoPNever asks for bearer tokens.
	DPoPNever
	// DPoPAlways refuses to go on where tokens can't be bound.
	DPoPAlways
)

// dpopAlgorithm is that of all proofs here.
const dpopAlgorithm = "ES256"

// wanted decides for one authorization server and one resource. taken says that
// the resource takes bound tokens: one that doesn't know them would refuse
// whatever is sent with the scheme DPoP.
func (m DPoPMode) wanted(server *AuthorizationServer, taken bool) (bool, error) {
	offered := slices.Contains(server.DPoPAlgorithms, dpopAlgorithm)
	switch {
	case m == DPoPAlways && !offered:
		return false, fmt.Errorf("%w: DPoP is asked for, and %s does not list %s in dpop_signing_alg_values_supported",
			ErrDiscovery, server.Issuer, dpopAlgorithm)
	case m == DPoPAlways:
		return true, nil
	}
	return m == DPoPWhenOffered && offered && taken, nil
}

// prover signs the proofs of one key, and remembers the nonces of the servers
// that want one.
type prover struct {
	key    *ecdsa.PrivateKey
	jwk    map[string]string
	mu     sync.Mutex
	nonces map[string]string // by origin
}

// newProver uses a key that was kept, or makes one.
func newProver(pkcs8 []byte) (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if len(pkcs8) > 0 {
		var parsed any
		if parsed, err = x509.ParsePKCS8PrivateKey(pkcs8); err == nil {
			kept, ok := parsed.(*ecdsa.PrivateKey)
			if !ok || kept.Curve != elliptic.P256() {
				return nil, errors.New("the stored key is not for ES256")
			}
			key = kept
		}
	}
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y (SEC 1, section 2.3.3)
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return &prover{key: key, nonces: map[string]string{}, jwk: map[string]string{
		"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]),
	}}, nil
}

// marshal is what newProver takes again.
func (p *prover) marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(p.key) }

// thumbprint names the key (RFC 7638); a bound token holds it as cnf.jkt.
func (p *prover) thumbprint() string {
	// The members in the order of their names, without blanks.
	members := fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q,"y":%q}`, p.jwk["crv"], p.jwk["kty"], p.jwk["x"], p.jwk["y"])
	sum := sha256.Sum256(members)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// prove adds a new proof for this one request (RFC 9449, section 4.2), with the
// hash of the access token where one is presented.
func (p *prover) prove(request *http.Request, accessToken string, now time.Time) error {
	target := url.URL{Scheme: request.URL.Scheme, Host: request.URL.Host, Path: request.URL.Path, RawPath: request.URL.RawPath}
	claims := jwt.MapClaims{"jti": rand.Text(), "htm": request.Method, "htu": target.String(), "iat": now.Unix()}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce := p.nonce(request.URL); nonce != "" {
		claims["nonce"] = nonce
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["typ"] = "dpop+jwt"
	token.Header["jwk"] = p.jwk
	proof, err := token.SignedString(p.key)
	if err != nil {
		return err
	}
	request.Header.Set("DPoP", proof)
	return nil
}

func (p *prover) nonce(u *url.URL) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nonces[baseurl.Origin(u)]
}

// learn takes over the nonce of an answer: each is for the server that sent it
// and no other (RFC 9449, sections 8 and 9). It reports whether there was a new
// one.
func (p *prover) learn(u *url.URL, header http.Header) bool {
	nonce := header.Get("DPoP-Nonce")
	if nonce == "" || len(nonce) > 512 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nonces[baseurl.Origin(u)] == nonce {
		return false
	}
	p.nonces[baseurl.Origin(u)] = nonce
	return true
}
