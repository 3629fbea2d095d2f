package jws

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/tutorial/vectors"
)

// tally counts how tokens ended, so that a run without vectors can't pass.
type tally map[string]int

func (n tally) add(err error) {
	for name, sentinel := range map[string]error{"malformed": ErrMalformed, "algorithm": ErrAlgorithm, "key": ErrKey, "signature": ErrSignature} {
		if errors.Is(err, sentinel) {
			n[name]++
			return
		}
	}
	n["accepted"]++
}

func (n tally) expect(t *testing.T, want tally) {
	t.Helper()
	t.Log(n)
	if !maps.Equal(n, want) {
		t.Errorf("got %v, want %v", n, want)
	}
}

// whoSigned is all that can be said before the payload is read.
func whoSigned(token string, keys jwks.Set) error {
	parsed, err := Parse(token)
	if err != nil {
		return err
	}
	return parsed.Authenticate(context.Background(), keys, implemented)
}

// Valid tokens of algorithms that aren't implemented (HS256, RS384, PS512 …)
// are refused too.
func TestC21WycheproofJWS(t *testing.T) {
	for file, want := range map[string]tally{
		"json_web_signature_test.json": {"accepted": 16, "algorithm": 50, "key": 8, "malformed": 38, "signature": 287, "skipped": 2},
		"json_web_key_test.json":       {"accepted": 1, "algorithm": 15, "key": 9, "skipped": 1},
		"json_web_crypto_test.json":    {"accepted": 2, "algorithm": 11, "key": 2, "malformed": 58, "signature": 9, "skipped": 1},
	} {
		t.Run(file, func(t *testing.T) {
			got := tally{}
			for _, group := range vectors.Wycheproof(t, file) {
				keys, _ := jwks.Parse(group.KeySet()) // none where it is symmetric
				for _, c := range group.Tests {
					valid := c.Result == "valid"
					switch c.Override {
					case "defect_label_contradiction", "roca":
						t.Logf("case %d skipped: %s", c.ID, c.Override)
						got["skipped"]++
						continue
					case "defect_valid_but_must_reject", "defect_key_alg", "defect_key_alg_name":
						valid = false
					}
					err := whoSigned(c.Token(), keys)
					if want := valid && slices.Contains(implemented, algorithmOf(c.Token())); want != (err == nil) {
						t.Errorf("%s, case %d (%s, %s): %v", group.Comment, c.ID, c.Comment, c.Result, err)
					}
					got.add(err)
				}
			}
			got.expect(t, want)
		})
	}
}

// algorithmOf is what the header says, if there is one.
func algorithmOf(token string) string {
	parsed, err := Parse(token)
	if err != nil {
		return ""
	}
	algorithm, _ := parsed.Text("alg")
	return algorithm
}

// These vectors are signatures of any bytes, without a header. What they call
// acceptable (PKCS #1 without its NULL) is refused.
func TestC21WycheproofSignatures(t *testing.T) {
	for file, c := range map[string]struct {
		algorithm string
		want      tally
	}{
		"rsa_signature_2048_sha256_test.json":    {"RS256", tally{"accepted": 9, "signature": 250}},
		"rsa_pss_2048_sha256_mgf1_32_test.json":  {"PS256", tally{"accepted": 63, "signature": 45}},
		"ecdsa_secp256r1_sha256_p1363_test.json": {"ES256", tally{"accepted": 173, "signature": 89}},
		"ed25519_test.json":                      {"EdDSA", tally{"accepted": 88, "signature": 63}},
	} {
		t.Run(file, func(t *testing.T) {
			got := tally{}
			for _, group := range vectors.Wycheproof(t, file) {
				key := must(jwks.New(must(x509.ParsePKIXPublicKey(must(hex.DecodeString(group.PublicKeyDER)))), c.algorithm))
				for _, v := range group.Tests {
					message, signature := must(hex.DecodeString(v.Msg)), must(hex.DecodeString(v.Sig))
					err := (&Token{input: string(message), signature: signature}).verify(c.algorithm, key)
					if (v.Result == "valid") != (err == nil) {
						t.Errorf("case %d (%s, %s): %v", v.ID, v.Comment, v.Result, err)
					}
					got.add(err)
				}
			}
			got.expect(t, c.want)
		})
	}
}

// example is one of RFC 7520: a key, and what it made in each serialization.
type example struct {
	Input struct {
		Key json.RawMessage
		Alg any
	}
	Output struct {
		Compact string
		JSON    json.RawMessage
		Flat    json.RawMessage `json:"json_flat"`
	}
}

func TestC21Cookbook(t *testing.T) {
	var nesting struct{ Sign, Encrypt example }
	vectors.Read(t, "cookbook/6.nesting_signatures_and_encryption.json", &nesting)
	examples := map[string]example{"nesting: signature": nesting.Sign, "nesting: encryption": nesting.Encrypt}
	compact := map[string]error{
		"jws/4_1.rsa_v15_signature.json":                 nil,
		"jws/4_2.rsa-pss_signature.json":                 ErrAlgorithm, // PS384
		"jws/4_3.ecdsa_signature.json":                   ErrAlgorithm, // ES512
		"jws/4_4.hmac-sha2_integrity_protection.json":    ErrAlgorithm,
		"jws/4_5.signature_with_detached_content.json":   ErrAlgorithm, // HS256
		"jws/4_6.protecting_specific_header_fields.json": ErrMalformed, // has no compact form
		"jws/4_7.protecting_content_only.json":           ErrMalformed, // nor has this
		"jws/4_8.multiple_signatures.json":               ErrMalformed, // nor this
		"rfc7797/4.2.hmac-sha2_b64_false.json":           ErrMalformed, // nor this
		"rfc7797/hmac-sha2_b64_false.json":               ErrMalformed,
		"curve25519/ecdh-es.json":                        ErrMalformed, // five parts
		"curve25519/jws.json":                            ErrKey,       // no kid
		"nesting: signature":                             ErrKey,       // no kid
		"nesting: encryption":                            ErrMalformed, // five parts
	}
	got := tally{}
	for name, want := range compact {
		e, ok := examples[name]
		if !ok {
			vectors.Read(t, "cookbook/"+name, &e)
		}
		keys, _ := jwks.Parse(publicOnly(t, e)) // none where it isn't for an algorithm of ours
		err := whoSigned(e.Output.Compact, keys)
		if !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		got.add(err)
		if want == ErrKey { // good but for the kid
			parsed := must(Parse(e.Output.Compact))
			if err := parsed.verify(algorithmOf(e.Output.Compact), keys[0]); err != nil {
				t.Errorf("%s, with its key: %v", name, err)
			}
		}
		for _, serialization := range []json.RawMessage{e.Output.JSON, e.Output.Flat} {
			if err := whoSigned(string(serialization), keys); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: JSON serialization: %v", name, err)
			}
		}
	}
	got.expect(t, tally{"accepted": 1, "algorithm": 4, "key": 2, "malformed": 7})
}

// publicOnly is the example's key as its owner should have published it.
func publicOnly(t *testing.T, e example) []byte {
	t.Helper()
	var key map[string]any
	if json.Unmarshal(e.Input.Key, &key) != nil {
		return nil // several keys, for several signatures
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		delete(key, private)
	}
	key["alg"] = e.Input.Alg
	return must(json.Marshal(map[string]any{"keys": []any{key}}))
}
