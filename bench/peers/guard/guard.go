// Package guard is what the peers share: flags, and a check of access tokens such
// as people write it with golang-jwt.
package guard

import (
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	addr     = flag.String("addr", "localhost:9001", "`host:port` to listen on")
	mode     = flag.String("guard", "none", "none, jwt (each token is verified each time) or cached (once)")
	key      = flag.String("key", "", "`file` with the public key of the issuer, in PEM")
	issuer   = flag.String("issuer", "", "`URL` of the issuer")
	audience = flag.String("audience", "", "`URL` for which tokens must be meant")
)

// Serve serves what build makes of a verifier, which is nil where -guard is none.
// It returns only with an error, which it prints.
func Serve(build func(*Verifier) http.Handler) {
	flag.Parse()
	v, err := newVerifier()
	if err == nil {
		mux := http.NewServeMux()
		mux.Handle("/mcp", build(v))
		err = (&http.Server{Addr: *addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(1)
}

// Claims are what the peers read of a token.
type Claims struct {
	jwt.RegisteredClaims
	Scope    string `json:"scope"`
	ClientID string `json:"client_id"`
}

// Verifier does what the documentation of golang-jwt asks for, and the check of
// the header's type that tells an access token from an ID token (RFC 9068).
type Verifier struct {
	key    *rsa.PublicKey
	parser *jwt.Parser
	// known is the cache, by the SHA-256 of the token. It is unbounded, since a run
	// has at most some 100,000 tokens.
	known sync.Map
}

func newVerifier() (*Verifier, error) {
	if *mode == "none" {
		return nil, nil
	}
	if *mode != "jwt" && *mode != "cached" {
		return nil, fmt.Errorf("-guard %q: want none, jwt or cached", *mode)
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return nil, err
	}
	public, err := jwt.ParseRSAPublicKeyFromPEM(pem)
	return &Verifier{key: public, parser: jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(*issuer),
		jwt.WithAudience(*audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(10*time.Second))}, err
}

// Verify returns the claims of a good access token.
func (v *Verifier) Verify(token string) (*Claims, error) {
	if *mode != "cached" {
		return v.verify(token)
	}
	hash := sha256.Sum256([]byte(token))
	if found, ok := v.known.Load(hash); ok {
		if c := found.(*Claims); time.Now().Before(c.ExpiresAt.Time) {
			return c, nil
		}
	}
	c, err := v.verify(token)
	if err == nil {
		v.known.Store(hash, c)
	}
	return c, err
}

func (v *Verifier) verify(token string) (*Claims, error) {
	c := &Claims{}
	parsed, err := v.parser.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return v.key, nil })
	switch {
	case err != nil:
		return nil, err
	case parsed.Header["typ"] != "at+jwt" || c.Subject == "" || c.ClientID == "":
		return nil, errors.New("not an access token")
	}
	return c, nil
}

// Protect is for libraries without a check of their own.
func (v *Verifier) Protect(next http.Handler) http.Handler {
	if v == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			http.Error(w, "a token is missing", http.StatusUnauthorized)
			return
		}
		c, err := v.Verify(token)
		if err != nil || !slices.Contains(strings.Fields(c.Scope), "mcp:tools") {
			http.Error(w, "the token is not good", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
