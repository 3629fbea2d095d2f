// Package keys keeps an RSA key pair in two files: the private one signs test
// tokens (gentoken), the public one verifies them (the servers).
package keys

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/jwks"
)

// Files of a key pair, in its folder.
const (
	PrivateFile = "mcp_private_key.pem" // PKCS #8, mode 0600
	PublicFile  = "mcp_public_key.pem"  // PKIX
)

// Algorithm is the one for which the pair is used.
const Algorithm = "RS256"

// maxFile is more than any key of ours needs, in bytes.
const maxFile = 64 << 10

// Public returns the public key of a folder. On first use it makes the pair.
// Where only the public file is there, as on a server that should not be able
// to sign, it is enough.
func Public(dir string) (jwks.Key, error) {
	path := filepath.Join(dir, PublicFile)
	key, err := ReadPublic(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makePair(dir); err != nil {
			return jwks.Key{}, err
		}
		return ReadPublic(path)
	}
	return key, err
}

// ReadPublic reads one file with a public key, as [PublicFile] and its backups
// are. It makes nothing.
func ReadPublic(path string) (jwks.Key, error) {
	text, err := localfile.ReadConfiguration(path, maxFile)
	if err != nil {
		return jwks.Key{}, err
	}
	parsed, err := decode(path, text, "PUBLIC KEY", x509.ParsePKIXPublicKey)
	if err != nil {
		return jwks.Key{}, err
	}
	key, err := jwks.New(parsed, Algorithm)
	if err != nil {
		return jwks.Key{}, broken(path, err)
	}
	return key, nil
}

// Private returns the private key of a folder. On first use it makes the pair. It
// refuses a private key that others than access says can read.
func Private(dir string, access localfile.Access) (*rsa.PrivateKey, error) {
	public, err := Public(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, PrivateFile)
	key, err := readPrivate(path, access)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing, so no token can be signed: "+
			"copy the file from where the pair was made, or make a new pair with gentoken --generate-keys", path)
	case err != nil:
		return nil, err
	case !key.PublicKey.Equal(public.Public):
		return nil, fmt.Errorf("%s and %s in %s don't belong together: make a new pair with gentoken --generate-keys",
			PrivateFile, PublicFile, dir)
	}
	return key, nil
}

// Replace makes a new pair and keeps the old files beside it. It returns their
// new names.
func Replace(dir string) (kept []string, err error) {
	for _, name := range []string{PrivateFile, PublicFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		backup, err := freeName(path)
		if err != nil {
			return kept, err
		}
		if err := os.Rename(path, backup); err != nil {
			return kept, err
		}
		kept = append(kept, backup)
	}
	return kept, makePair(dir)
}

// freeName takes a name for a backup, by an empty file that the backup will
// replace, so that nobody else takes it too.
func freeName(path string) (string, error) {
	for n := 1; n < 10_000; n++ {
		backup := fmt.Sprintf("%s.%d.bak", path, n)
		file, err := os.OpenFile(backup, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return backup, file.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s has too many backups: remove some", path)
}

// makePair makes what is missing of a pair. Any number of programs may do so
// at once: the first private key that is there stays, all write the public key
// that follows from it, and each file appears whole or not at all.
func makePair(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// Wherever the folder is, its keys must not slip into a repository.
	if err := localfile.Create(filepath.Join(dir, ".gitignore"), []byte("*\n!.gitignore\n"), 0o644); err != nil {
		return err
	}
	private := filepath.Join(dir, PrivateFile)
	key, err := readPrivate(private, localfile.Mounted)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, genErr := rsa.GenerateKey(rand.Reader, jwks.MinRSABits)
		if genErr != nil {
			return genErr
		}
		der, genErr := x509.MarshalPKCS8PrivateKey(fresh)
		if genErr != nil {
			return genErr
		}
		if err := localfile.Create(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return err
		}
		key, err = readPrivate(private, localfile.OwnerOnly)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return localfile.Create(filepath.Join(dir, PublicFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

func readPrivate(path string, access localfile.Access) (*rsa.PrivateKey, error) {
	text, err := localfile.ReadSecret(path, access, maxFile)
	if err != nil {
		return nil, err
	}
	parsed, err := decode(path, text, "PRIVATE KEY", x509.ParsePKCS8PrivateKey)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, broken(path, errors.New("it is not an RSA key"))
	}
	return key, nil
}

func decode(path string, text []byte, kind string, parse func([]byte) (any, error)) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, broken(path, fmt.Errorf("it has no PEM block %q", kind))
	}
	key, err := parse(block.Bytes)
	if err != nil {
		return nil, broken(path, err)
	}
	return key, nil
}

func broken(path string, err error) error {
	return fmt.Errorf("%s can't be used: %w; restore it from a backup, or make a new pair with gentoken --generate-keys", path, err)
}
