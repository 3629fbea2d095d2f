package attacks

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
)

// Sent is what an attack sends.
type Sent struct {
	Request string      // as it goes over the wire, with the token shortened
	Parts   []TokenPart // header and claims of the token; none where no JWT is sent
}

// TokenPart is the header or the claims of a token.
type TokenPart struct {
	Name, Class string
	Members     []Member
}

// Member is a line of it.
type Member struct {
	Text  string
	Wrong bool // a good token of the same user has another value, or none
}

// sentTo says what the attack sent to a target, and what is wrong with the token of it:
// the members that a good token of the target doesn't have.
func sentTo(target *matrix.Target, attack lab.Attack) (*Sent, error) {
	request := attack.Row().Request.In(attack.Era)
	s := &Sent{Request: requestText(request, target)}
	tokens := target.Minted()
	if request.Token == nil || len(tokens) == 0 {
		return s, nil
	}
	good, err := target.Mint(matrix.Token{Username: request.Token.Username, Scopes: "mcp:read,mcp:tools,mcp:prompts"})
	if err != nil {
		return nil, err
	}
	got, want := strings.Split(tokens[len(tokens)-1], "."), strings.Split(good, ".")
	for i, part := range []TokenPart{{Name: "Header", Class: "jwt-header"}, {Name: "Claims", Class: "jwt-claims"}} {
		if i < len(got) && i < len(want) {
			part.Members = members(decoded(got[i]), decoded(want[i]))
			s.Parts = append(s.Parts, part)
		}
	}
	return s, nil
}

// requestText is a request as it goes over the wire.
func requestText(q matrix.Request, target *matrix.Target) string {
	host := q.Host
	if host == "" {
		_, host, _ = strings.Cut(target.URL, "://")
	}
	text := q.Method + " " + q.Target + " HTTP/1.1\nHost: " + host + "\n" + strings.Join(q.Headers, "\n")
	if q.Body != "" {
		text += "\n\n" + q.Body
	}
	return strings.ReplaceAll(text, "{token}", "eyJ…")
}

// decoded are the members of a part of a token; none for one that is not JSON.
func decoded(part string) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	if raw, err := base64.RawURLEncoding.DecodeString(part); err == nil {
		_ = json.Unmarshal(raw, &all)
	}
	return all
}

// members are the lines of a part, beside those of a good token.
func members(got, good map[string]json.RawMessage) (lines []Member) {
	for _, name := range slices.Sorted(maps.Keys(got)) {
		lines = append(lines, Member{name + ": " + string(got[name]), !alike(name, got[name], good[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(good)) {
		if _, ok := got[name]; !ok {
			lines = append(lines, Member{name + " is missing", true})
		}
	}
	return lines
}

// alike tells whether two values of a member mean the same. Each token has an id of its
// own, and times that lie a moment apart.
func alike(name string, a, b json.RawMessage) bool {
	const moment = 5 * time.Minute
	var x, y float64
	switch {
	case name == "jti" && len(b) > 0:
		return true
	case slices.Contains([]string{"iat", "exp", "nbf", "auth_time"}, name) && json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil:
		return max(x-y, y-x) < moment.Seconds()
	}
	return string(a) == string(b)
}
