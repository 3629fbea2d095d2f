package providershapes

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	all, err := Tokens()
	if err != nil || len(all) < 14 {
		t.Fatalf("%d tokens, %v", len(all), err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	for name, token := range all {
		if token.Expected.Accept == (token.Expected.Why != "") || token.Issuer == "" {
			t.Errorf("%s: %+v", name, token)
		}
		draft, err := token.draft(key, "k1", now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if token.Opaque == "" && (draft.Header["kid"] != "k1" || draft.Claims["exp"].(int64) <= now.Unix()) {
			t.Errorf("%s: %+v", name, draft)
		}
		if kept := token.Claims["exp"]; token.Opaque == "" && kept == draft.Claims["exp"] {
			t.Errorf("%s: the draft changed the token", name)
		}
	}
	if exp := all["okta-custom-as"]; exp.Claims["exp"] != "NOW+3600" {
		t.Errorf("exp %v", exp.Claims["exp"])
	}
	if draft, _ := all["okta-custom-as"].draft(key, "k1", now); draft.Claims["exp"] != now.Unix()+3600 || draft.Claims["iat"] != now.Unix() {
		t.Errorf("%+v", draft.Claims)
	}
	if _, err := (Token{Claims: map[string]any{"exp": "NOW-x"}}).draft(key, "k1", now); err == nil {
		t.Error("NOW-x is a date")
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	all, err := Documents()
	if err != nil || len(all) < 9 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	for name, d := range all {
		if len(d.URLs) == 0 || d.Source == "" || len(d.Document) == 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
