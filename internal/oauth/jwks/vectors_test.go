package jwks

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/vectors"
)

// What a key set may hold for a resource server. Wycheproof also takes
// symmetric keys for valid; here they are left out like the invalid ones.
func TestD05WycheproofKeys(t *testing.T) {
	want := map[int]string{
		1: "ES256", // the HS256 key beside it is left out, for which the token is refused
		5: "RS256",
	}
	got := map[string]int{}
	for _, group := range vectors.Wycheproof(t, "json_web_key_test.json") {
		set, err := Parse(group.KeySet())
		for _, c := range group.Tests {
			switch {
			case c.Override == "roca":
				t.Logf("case %d skipped: nothing here knows the fingerprint of ROCA keys", c.ID)
				got["skipped"]++
			case want[c.ID] != "":
				if err != nil || len(set) != 1 || set[0].Algorithm != want[c.ID] {
					t.Errorf("case %d (%s): %+v, %v", c.ID, group.Comment, set, err)
				}
				got["kept"]++
			default:
				if !errors.Is(err, ErrUnusable) || set != nil {
					t.Errorf("case %d (%s): %+v, %v", c.ID, group.Comment, set, err)
				}
				got["left out"]++
			}
		}
	}
	t.Log(got)
	if total := map[string]int{"kept": 2, "left out": 23, "skipped": 1}; !maps.Equal(got, total) {
		t.Errorf("got %v, want %v", got, total)
	}
}

// The keys of RFC 7520, section 3: only one is public, for signatures, and of
// an algorithm that is implemented.
func TestD05CookbookKeys(t *testing.T) {
	for name, usable := range map[string]bool{
		"3_1.ec_public_key":                 false, // P-521
		"3_2.ec_private_key":                false,
		"3_3.rsa_public_key":                true,
		"3_4.rsa_private_key":               false,
		"3_5.symmetric_key_mac_computation": false,
		"3_6.symmetric_key_encryption":      false,
	} {
		var key json.RawMessage
		vectors.Read(t, "cookbook/jwk/"+name+".json", &key)
		if got, err := Parse(set(string(key))); usable != (len(got) == 1 && err == nil) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
