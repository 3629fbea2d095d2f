package authserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
)

// KeyRing signs with one key and shows it, and beside it the keys that signed
// before: their tokens are still under way.
type KeyRing struct {
	mu      sync.RWMutex
	signing *rsa.PrivateKey
	set     jwks.Set // the signing key first
	page    http.Handler
}

// NewKeyRing returns a ring that signs with a key and also shows older ones.
func NewKeyRing(signing *rsa.PrivateKey, older ...jwks.Key) (*KeyRing, error) {
	k := &KeyRing{set: older}
	return k, k.Rotate(signing)
}

// GenerateKeyRing returns a ring with a new key that is nowhere kept.
func GenerateKeyRing() (*KeyRing, error) {
	key, err := rsa.GenerateKey(rand.Reader, jwks.MinRSABits)
	if err != nil {
		return nil, err
	}
	return NewKeyRing(key)
}

// OpenKeyRing signs with the key pair of a folder, which is made on first use.
// Public keys that gentoken --generate-keys put aside there are shown until
// the last token that they can have signed has ended. access says who may read the
// private key.
func OpenKeyRing(dir string, access localfile.Access) (*KeyRing, error) {
	signing, err := keys.Private(dir, access)
	if err != nil {
		return nil, err
	}
	var older []jwks.Key
	backups, err := filepath.Glob(filepath.Join(dir, keys.PublicFile+".*.bak"))
	if err != nil {
		return nil, err
	}
	for _, path := range backups {
		// The pair was put aside when the present one was made.
		since, err := os.Stat(filepath.Join(dir, keys.PublicFile))
		if err != nil {
			return nil, err
		}
		if time.Since(since.ModTime()) > accesstoken.MaxLifetime {
			continue
		}
		key, err := keys.ReadPublic(path)
		if err != nil {
			return nil, err
		}
		older = append(older, key)
	}
	return NewKeyRing(signing, older...)
}

// Rotate signs with another key from now on. The one before is still shown;
// all before that are not, so rotate no more often than tokens live.
func (k *KeyRing) Rotate(signing *rsa.PrivateKey) error {
	if signing == nil {
		return errors.New("a key ring needs a key")
	}
	key, err := jwks.New(&signing.PublicKey, keys.Algorithm)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	older := k.set
	if k.signing != nil {
		older = k.set[:1]
	}
	k.set = append(jwks.Set{key}, older...)
	k.signing = signing
	k.page = jwks.Handler(k.set)
	return nil
}

// Key returns the key with an id, if the ring shows it.
func (k *KeyRing) Key(ctx context.Context, id, algorithm string) (jwks.Key, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.set.Key(ctx, id, algorithm)
}

// current is the key that signs, and its id.
func (k *KeyRing) current() (*rsa.PrivateKey, string) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.signing, k.set[0].ID
}

// ServeHTTP shows the public keys (RFC 7517, section 5).
func (k *KeyRing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.RLock()
	page := k.page
	k.mu.RUnlock()
	page.ServeHTTP(w, r)
}
