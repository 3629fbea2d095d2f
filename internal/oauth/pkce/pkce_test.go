package pkce

import (
	"fmt"
	"strings"
	"testing"
)

// The example of RFC 7636, appendix B.
func ExampleChallenge() {
	fmt.Println(Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
	// Output: E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
}

func TestForms(t *testing.T) {
	verifier := NewVerifier()
	if !ValidVerifier(verifier) || verifier == NewVerifier() || !ValidChallenge(Challenge(verifier)) {
		t.Error("a new verifier is not valid, or not new")
	}
	for _, bad := range []string{"", strings.Repeat("a", 42), strings.Repeat("a", 129), strings.Repeat("a", 42) + "+", strings.Repeat("a", 43) + "\n"} {
		if ValidVerifier(bad) {
			t.Errorf("verifier %q", bad)
		}
	}
	good := Challenge(verifier)
	for _, bad := range []string{"", good[:42], good + "A", good + "=", good[:42] + "B", good[:20] + "\n" + good[20:], "+" + good[1:]} {
		if ValidChallenge(bad) {
			t.Errorf("challenge %q", bad)
		}
	}
}
