package pictures

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/mint"
)

// meaning explains the members of a token, in the order in which they are shown.
// A claim that gentoken begins to write needs a line here.
var meaning = []struct{ name, says string }{
	{"typ", "which kind of token: an access token"},
	{"alg", "how it was signed; the server has its own list"},
	{"kid", "which key of the issuer signed it"},
	{"iss", "who issued it: the issuer"},
	{"aud", "for which server: its audience"},
	{"sub", "for which user: the subject"},
	{"preferred_username", "how the user is called"},
	{"client_id", "through which client"},
	{"scope", "what the client may do"},
	{"roles", "what the user may do"},
	{"iat", "when it was issued"},
	{"exp", "until when"},
	{"jti", "the id of this token, for logs"},
}

// changing are the members that differ from token to token.
var changing = map[string]any{"kid": "q7Zk…", "jti": "H3RT…", "iat": "1785300000", "exp": "1785303600"}

var accessToken = description{
	name: "token", title: "A token, taken apart",
	says: "A JWT has three parts with dots between: header, payload, signature. The header says how it was signed, and by which key. " +
		"The payload has the claims: who issued the token, for which server, user and client, what it allows, and until when. " +
		"The signature proves that the issuer wrote both.",
	draw: func(c *canvas, _ string) error {
		draft := mint.New(nil, "", mint.Grant{
			Issuer: "http://localhost:9000", Audience: "http://localhost:9000/mcp", Username: "alice", ClientID: "gentoken",
			Scopes: []string{"mcp:read", "mcp:tools"}, Roles: mint.RolesOf("alice"), Now: time.Unix(0, 0),
		})
		c.line(margin+68, margin+14, "start", "code strong warn", beginning(draft.Header, "typ"))
		c.line(margin+192, margin+14, "start", "code strong extra", beginning(draft.Claims, "iss"))
		c.line(margin+316, margin+14, "start", "code strong accent", "mT5cV0xq…")
		y, err := drawPart(c, margin+30, "warn", "header", draft.Header)
		if err != nil {
			return err
		}
		if y, err = drawPart(c, y, "extra", "payload", draft.Claims); err != nil {
			return err
		}
		c.box(margin, y, Width-2*margin, 76, "accent")
		c.line(margin+14, y+23, "start", "strong accent", "signature")
		c.lines(margin+14, y+45, "start", "small", "over the two parts above, made with the issuer's private key:\n"+
			"everybody can check it, and nobody else can make it")
		return nil
	},
}

// drawPart shows one part of a token, a line a member.
func drawPart(c *canvas, y float64, kind, name string, values map[string]any) (float64, error) {
	for name := range values {
		if shown, changes := changing[name]; changes {
			values[name] = shown
		}
	}
	order := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	const row = 40.0
	high := 36 + row*float64(len(order))
	c.box(margin, y, Width-2*margin, high, kind)
	c.line(margin+14, y+23, "start", "strong "+kind, name)
	for i, member := range order {
		at := place(member)
		if at < 0 {
			return 0, fmt.Errorf("the token has a member %s without a meaning: add it", member)
		}
		top := y + 36 + row*float64(i)
		c.line(margin+14, top+12, "start", "code strong", member)
		c.line(margin+14, top+29, "start", "small muted", meaning[at].says)
		c.line(Width-margin-14, top+12, "end", "code", shown(values[member]))
	}
	return y + high + 6, nil
}

func place(member string) int {
	return slices.IndexFunc(meaning, func(m struct{ name, says string }) bool { return m.name == member })
}

// beginning is how a part begins on the wire, when this member comes first.
func beginning(values map[string]any, member string) string {
	first, _ := json.Marshal(map[string]any{member: values[member]})
	return base64.RawURLEncoding.EncodeToString(first)[:12] + "…."
}

func shown(value any) string {
	switch v := value.(type) {
	case []string:
		return fmt.Sprintf("[%s]", strings.Join(v, " "))
	case string:
		return strings.TrimPrefix(v, "http://")
	}
	return fmt.Sprint(value)
}
