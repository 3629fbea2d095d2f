// Package providershapes has access tokens and metadata in the shapes that
// identity providers document, with what is expected of each. Nothing of it was
// issued by a live tenant; testdata/README.md has the sources.
package providershapes

import (
	"crypto/rsa"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/mint"
)

//go:embed testdata/tokens.json
var tokens []byte

//go:embed testdata/metadata.json
var documents []byte

// Token is an access token of a provider, before it is signed. In Header and
// Claims, "KID" stands for the id of the key, "NOW" and "NOW+seconds" for dates.
type Token struct {
	Issuer, Audience string // as a server that trusts the issuer has them
	Opaque           string // the token, where it is not a JWT
	Header, Claims   map[string]any
	Expected         Expected
}

// Expected is what a server makes of a token.
type Expected struct {
	Accept          bool
	Why             string // of a token that is refused
	Subject, Client string // Subject may have a remark behind the first blank
	Scopes, Roles   []string
	Note            string
}

// Tokens are all tokens, by name.
func Tokens() (map[string]Token, error) {
	var all map[string]Token
	err := json.Unmarshal(tokens, &all)
	return all, err
}

// Document is the metadata of a provider.
type Document struct {
	URLs     []string // at which it stands; some with a remark behind a blank
	Source   string
	Document json.RawMessage
}

// Documents are all documents, by name.
func Documents() (map[string]Document, error) {
	var all map[string]Document
	err := json.Unmarshal(documents, &all)
	return all, err
}

// draft is the token at a time, to be signed by key, whose id is kid.
func (t Token) draft(key *rsa.PrivateKey, kid string, now time.Time) (*mint.Draft, error) {
	draft := mint.New(key, kid, mint.Grant{Now: now})
	draft.Header, draft.Claims = maps.Clone(t.Header), maps.Clone(t.Claims)
	for name, value := range draft.Header {
		if value == "KID" {
			draft.Header[name] = kid
		}
	}
	for name, value := range draft.Claims {
		text, _ := value.(string)
		offset, isDate := strings.CutPrefix(text, "NOW")
		if !isDate {
			continue
		}
		seconds, err := strconv.Atoi(strings.TrimPrefix("0"+offset, "0+"))
		if err != nil {
			return nil, fmt.Errorf("the claim %s is %q: want NOW or NOW+seconds", name, text)
		}
		draft.Claims[name] = now.Unix() + int64(seconds)
	}
	return draft, nil
}

// Sign is the token at a time, signed by key, whose id is kid. changes are made before;
// an opaque token stays as it is.
func (t Token) Sign(key *rsa.PrivateKey, kid string, now time.Time, changes ...func(*mint.Draft)) (string, error) {
	if t.Opaque != "" {
		return t.Opaque, nil
	}
	draft, err := t.draft(key, kid, now)
	if err != nil {
		return "", err
	}
	for _, change := range changes {
		change(draft)
	}
	return draft.Token()
}
