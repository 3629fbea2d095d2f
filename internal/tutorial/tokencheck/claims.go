package tokencheck

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// claims are what a token says, unverified. They decide what is proposed, and
// never what is accepted.
type claims struct {
	algorithm, typ string
	members        map[string]json.RawMessage
}

func readClaims(token string) (*claims, error) {
	parsed, err := jws.Parse(token)
	if err != nil {
		return nil, err
	}
	c := &claims{}
	c.algorithm, _ = parsed.Text("alg")
	c.typ, _ = parsed.Text("typ")
	if c.members, err = strictjson.Members(parsed.Payload); err != nil {
		return nil, errors.New("the payload can't be read")
	}
	return c, nil
}

// text is a claim that is a string, or empty.
func (c *claims) text(name string) string {
	text, _ := strictjson.String(c.members[name])
	return text
}

// list is a claim that is a string or an array of strings.
func (c *claims) list(name string) []string {
	if text := c.text(name); text != "" {
		return []string{text}
	}
	list, _ := strictjson.Strings(c.members[name])
	return list
}

// date is a claim that is a date, or the zero time.
func (c *claims) date(name string) time.Time {
	at, _ := jws.Date(c.members[name])
	return at.UTC()
}

// clients are the claims that name the client.
func (c *claims) clients() []string {
	all := []string{c.text("client_id"), c.text("azp"), c.text("cid"), c.text("appid")}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// idTokenMark is what shows an ID token, or is empty. It finds what is certain (OpenID
// Connect Core 1.0, sections 2 and 3.3.2.11); an ID token may have none of it.
func (c *claims) idTokenMark() string {
	if dialect.IsAccessTokenType(c.typ) {
		return ""
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if _, has := c.members[name]; has {
			return "it has the claim " + name
		}
	}
	for name, value := range map[string]string{"typ": "ID", "token_use": "id", "tokenName": "id_token"} {
		if c.text(name) == value {
			return "its claim " + name + " is " + value
		}
	}
	return ""
}
