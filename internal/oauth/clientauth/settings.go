package clientauth

import (
	"crypto"
	"fmt"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/localfile/variables"
)

// Variables are the names of the settings by which a server proves itself to an
// issuer.
type Variables struct {
	Method     string
	Secret     string
	Key, KeyID string // Key is the path of a file in PEM
}

// Read reads the method, and the secret or the key, whichever the method needs. The
// other one must not be set. Errors name the variable.
func (c *Credentials) Read(v *variables.Set, names Variables) (method string, err error) {
	method = v.Get(names.Method)
	needed, other := names.Secret, names.Key
	switch method {
	case Basic, Post:
	case PrivateKeyJWT:
		needed, other = other, needed
	default:
		return "", v.Wrong(names.Method, fmt.Errorf("%q is not one of %s, %s, %s", method, Basic, Post, PrivateKeyJWT))
	}
	value := v.Get(needed)
	if value == "" {
		return "", fmt.Errorf("%s is not set, and client authentication by %s needs it", needed, method)
	}
	if v.Get(other) != "" {
		return "", v.Wrong(other, fmt.Errorf("it has no effect with %s=%s; remove it", names.Method, method))
	}
	if method != PrivateKeyJWT {
		c.Secret = value
		return method, v.CheckSecret(needed)
	}
	c.KeyID = v.Get(names.KeyID)
	if c.Key, err = ReadKey(value, localfile.OwnerOnly); err != nil {
		return "", v.Wrong(needed, err)
	}
	return method, nil
}

// ReadKey reads a private key from a file that nobody but those of access can read;
// see [ParseKey].
func ReadKey(path string, access localfile.Access) (crypto.Signer, error) {
	text, err := localfile.ReadSecret(path, access, variables.MaxFile)
	if err != nil {
		return nil, err
	}
	return ParseKey(path, text)
}
