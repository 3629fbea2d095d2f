package accesstoken

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// FuzzVerify signs any header and payload, most often with the right key, and
// then changes one byte of the token. Whatever is accepted was signed by the
// key over these very bytes, and says to every reader that it is for us, from
// our issuer and not over.
func FuzzVerify(f *testing.F) {
	const kid = "k" // not the thumbprint: each process of the fuzzer has keys of its own
	v := verifier(jwks.Key{ID: kid, Algorithm: "RS256", Public: &signer().PublicKey})
	good := draft()
	good.Header["kid"] = kid
	header, claims := string(must(json.Marshal(good.Header))), string(must(json.Marshal(good.Claims)))
	f.Add(header, claims, byte(0), uint16(400), byte(1))
	f.Add(header, claims, byte(1), uint16(0), byte(0))
	f.Add(header, claims, byte(2), uint16(0), byte(0))
	for _, more := range []string{
		"", `"aud":["x","http://localhost:9000/mcp"],`, `"exp":1780318800.5,`, `"exp":17803188e2,`, `"nbf":1,`, `"\u0069ss":"http://localhost:9000",`,
	} {
		f.Add(header, "{"+more+claims[1:], byte(0), uint16(0), byte(0))
	}
	for _, flaw := range mint.Flaws {
		if strings.Contains(flaw.Explain, "stranger") {
			continue // makes a key, which is slow, for a signature that isn't used here
		}
		d := draft()
		d.Header["kid"] = kid
		if err := flaw.Spoil(d); err != nil {
			f.Fatal(err)
		}
		parts := strings.Split(token(d), ".")
		f.Add(string(decoded(parts[0])), string(decoded(parts[1])), byte(0), uint16(0), byte(0))
	}

	f.Fuzz(func(t *testing.T, header, claims string, signature byte, position uint16, flip byte) {
		input := encode([]byte(header)) + "." + encode([]byte(claims))
		var sig []byte
		switch signature % 4 {
		case 1:
			sig = must(byRSA(stranger(), crypto.SHA256)([]byte(input)))
		case 2: // none
		default:
			sig = must(byRSA(signer(), crypto.SHA256)([]byte(input)))
		}
		text := []byte(input + "." + encode(sig))
		text[int(position)%len(text)] ^= flip
		caller, err := v.Verify(context.Background(), string(text))
		if (err == nil) != (caller != nil) {
			t.Fatalf("Verify = %v, %v", caller, err)
		}
		if err != nil {
			return
		}
		parts := strings.Split(string(text), ".")
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(&signer().PublicKey, crypto.SHA256, sum[:], decoded(parts[2])); err != nil {
			t.Errorf("accepted without a signature: %s: %v", text, err)
		}
		for reader, said := range readers(t, decoded(parts[1])) {
			if !said.holds() {
				t.Errorf("accepted, but a reader for whom %s reads %+v in %s", reader, said, decoded(parts[1]))
			}
		}
	})
}

func decoded(part string) []byte { return must(base64.RawURLEncoding.DecodeString(part)) }

// reading is what somebody else makes of the claims.
type reading struct {
	Iss, Aud any
	Exp      any
}

func (r reading) holds() bool {
	expires, ok := r.Exp.(float64)
	audiences, isList := r.Aud.([]any)
	return r.Iss == issuer && (r.Aud == audience || isList && slices.Contains(audiences, any(audience))) &&
		ok && expires > float64(now.Add(-Leeway).Unix()) && expires < float64(now.Add(MaxLifetime+Leeway).Unix())+1
}

// readers read an object in the ways that JSON libraries have: each must come
// to the same result.
func readers(t *testing.T, object []byte) map[string]reading {
	t.Helper()
	var exact map[string]any
	var folding reading
	if err := json.Unmarshal(object, &exact); err != nil {
		t.Fatalf("accepted %q: %v", object, err)
	}
	if err := json.Unmarshal(object, &folding); err != nil {
		t.Fatalf("accepted %q: %v", object, err)
	}
	first := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(object))
	_, _ = decoder.Token() // the brace
	for decoder.More() {
		name, _ := decoder.Token()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("accepted %q: %v", object, err)
		}
		if _, seen := first[fmt.Sprint(name)]; !seen {
			first[fmt.Sprint(name)] = value
		}
	}
	return map[string]reading{
		"the last of a name wins":  {exact["iss"], exact["aud"], exact["exp"]},
		"the first of a name wins": {first["iss"], first["aud"], first["exp"]},
		"case doesn't count":       folding,
	}
}

// C12, E05: whatever a payload says, what is taken for an access token of an
// issuer that types everything JWT says so, and its roles stand in one place.
func FuzzDialect(f *testing.F) {
	for _, payload := range []string{keycloakAccess, keycloakID, keycloakRefresh, keycloakClient, `{"typ":"Bearer","Typ":"ID"}`, `{"typ":"Bearer","resource_access":{"echo-mcp-server":{"roles":["x"]}}}`} {
		f.Add([]byte(payload), "JWT")
		f.Add([]byte(strings.Replace(payload, "{", `{"aud":"a",`, 1)), "at+jwt")
	}
	f.Add([]byte(`{"aud":"","TYp":""}`), "At+jwt") // another claim, whatever encoding/json takes it for
	f.Fuzz(func(t *testing.T, payload []byte, typ string) {
		said, err := readAs(keycloak, payload, typ)
		if err != nil {
			return
		}
		// Another reader, with none of our strictness but for the case of names.
		var other map[string]json.RawMessage
		if err := json.Unmarshal(payload, &other); err != nil {
			t.Fatalf("accepted, and can't be read: %v", err)
		}
		kind, present := other["typ"]
		if !present && !dialect.IsAccessTokenType(typ) || present && text(kind) != "Bearer" || other["at_hash"] != nil {
			t.Errorf("%q is taken for an access token: %s", typ, payload)
		}
		var access, client map[string]json.RawMessage
		var roles []string
		_ = json.Unmarshal(other["resource_access"], &access)
		_ = json.Unmarshal(access["echo-mcp-server"], &client)
		_ = json.Unmarshal(client["roles"], &roles)
		if !slices.Equal(said.Roles, roles) {
			t.Errorf("roles %q, another reader finds %q", said.Roles, roles)
		}
	})
}

// readAs makes the checks by which a dialect tells what a token is and which roles
// it has, without those that need a signature.
func readAs(d dialect.Dialect, payload []byte, typ string) (*principal.Principal, error) {
	header := encode(must(json.Marshal(map[string]string{"typ": typ})))
	e := provider(d).examine(context.Background(), &Unverified{Text: header + "." + encode(payload) + "."})
	for _, check := range checks {
		if slices.Contains([]string{"form", "type", "claims", "kind", "roles"}, check.name) {
			if err := check.run(e); err != nil {
				return nil, err
			}
		}
	}
	return e.principal(), nil
}

// text is a JSON string, or empty.
func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}
