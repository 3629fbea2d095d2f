package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"testing"
)

// FuzzParse: whatever comes out of a key set is public, strong enough and for
// one algorithm, and can be shown and read again without change.
func FuzzParse(f *testing.F) {
	rs, es, ed := rsaJWK(rsaKey(), ""), ecJWK(ecKey(), ""), edJWK("")
	for _, seed := range [][]byte{
		set(rs), set(es), set(ed), set(rs, es, ed), set(rs, rs), set("null", rs), set(rsaJWK(weakKey(), "")), set(rsaJWK(rsaKey(), `{"use":"enc"}`)),
		set(rsaJWK(rsaKey(), `{"key_ops":["verify"],"alg":"PS256"}`)),
		set(rsaJWK(rsaKey(), `{"d":"AQAB"}`)), set(rsaJWK(rsaKey(), `{"p":"AQAB"}`)), set(rsaJWK(rsaKey(), `{"e":"AQ"}`)),
		set(`{"kty":"oct","k":"AAAA"}`, ed), set(`{"kty":"AKP"}`, es), []byte(rs), []byte(`{"keys":[]}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := Parse(data)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("Parse = %+v, %v", keys, err)
		}
		if err != nil {
			return
		}
		for _, key := range keys {
			ok := false
			switch public := key.Public.(type) {
			case *rsa.PublicKey:
				ok = (key.Algorithm == "RS256" || key.Algorithm == "PS256") && public.N.BitLen() >= 2048 && public.E >= 3 && public.E&1 == 1
			case *ecdsa.PublicKey:
				_, err := public.ECDH() // refuses points off the curve
				ok = key.Algorithm == "ES256" && public.Params().Name == "P-256" && err == nil
			case ed25519.PublicKey:
				ok = key.Algorithm == "EdDSA" && len(public) == 32
			}
			if !ok {
				t.Errorf("accepted a %T for %q: %s", key.Public, key.Algorithm, data)
			}
		}
		shown := get(Handler(keys))
		var page struct{ Keys []map[string]json.RawMessage }
		if err := json.Unmarshal(shown.Body.Bytes(), &page); err != nil || shown.Code != http.StatusOK || len(page.Keys) != len(keys) {
			t.Fatalf("shown: %s: %v", shown.Body, err)
		}
		for _, key := range page.Keys {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if key[private] != nil {
					t.Errorf("%s is shown: %s", private, shown.Body)
				}
			}
		}
		if again, err := Parse(shown.Body.Bytes()); err != nil || !equal(again, keys) {
			t.Errorf("read again: %+v, %v", again, err)
		}
	})
}
