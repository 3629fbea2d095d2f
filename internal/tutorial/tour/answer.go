package tour

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/tour/markdown"
)

// answer is what came back, for a person.
type answer struct {
	Status     int
	Words      string // of the status
	Took       string
	Headers    []header
	Body       template.HTML // coloured; empty where there is none
	Challenges []challenge
	Tokens     []*token // in the body

	body string
}

type header struct{ Name, Value string }

// challenge is a WWW-Authenticate header taken apart.
type challenge struct {
	Scheme string
	Params []param
}

type param struct{ Name, Value, Means string }

// Good tells whether the status is one of success.
func (a *answer) Good() bool { return a.Status >= 200 && a.Status < 300 }

func newAnswer(raw *matrix.Answer, took time.Duration) *answer {
	a := &answer{Status: raw.Status, Words: http.StatusText(raw.Status), Took: milliseconds(took), body: raw.Body}
	for _, name := range slices.Sorted(maps.Keys(raw.Header)) {
		for _, value := range raw.Header[name] {
			// As standards write it; Go has each word begin with one capital letter.
			a.Headers = append(a.Headers, header{strings.Replace(name, "Www-", "WWW-", 1), value})
		}
	}
	language, text := "", raw.Body
	var b bytes.Buffer
	if json.Indent(&b, []byte(raw.Body), "", "  ") == nil {
		language, text = "json", b.String()
	} else if strings.Contains(raw.Header.Get("Content-Type"), "html") {
		language = "html"
	}
	a.Body = joined(language, text)
	a.Challenges = readChallenges(raw.Header.Values("WWW-Authenticate"))
	a.Tokens = tokensIn(raw.Body)
	return a
}

// joined colours a text.
func joined(language, text string) template.HTML {
	var b strings.Builder
	for _, line := range markdown.Lines(language, text) {
		b.WriteString(string(line) + "\n")
	}
	return template.HTML(strings.TrimSpace(b.String()))
}

// meanings says what the parameters of a challenge are for.
var meanings = map[string]string{
	"realm":             "a name for what is protected (RFC 9110, section 11.5)",
	"error":             "why the request was refused (RFC 6750, section 3.1)",
	"error_description": "the same for a person (RFC 6750, section 3)",
	"scope":             "what to ask for (RFC 6750, section 3)",
	"resource_metadata": "where the server says who issues tokens for it (RFC 9728, section 5.1)",
}

func readChallenges(headers []string) (all []challenge) {
	found, err := mcpauth.ParseChallenges(headers)
	if err != nil {
		return nil // the header itself is shown anyway
	}
	for _, one := range found {
		c := challenge{Scheme: one.Scheme}
		for _, name := range slices.Sorted(maps.Keys(one.Params)) {
			c.Params = append(c.Params, param{name, one.Params[name], meanings[name]})
		}
		all = append(all, c)
	}
	return all
}

// token is a JWT taken apart.
type token struct {
	Header, Claims template.HTML
	Parts          [3]string
}

// readToken takes a JWT apart, or returns nil for what isn't one. It checks nothing.
func readToken(text string) *token {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil
	}
	var decoded [2]template.HTML
	for i := range decoded {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		var b bytes.Buffer
		if err != nil || json.Indent(&b, raw, "", "  ") != nil {
			return nil
		}
		decoded[i] = joined("json", b.String())
	}
	return &token{Header: decoded[0], Claims: decoded[1], Parts: [3]string(parts)}
}

// tokensIn are the tokens that an answer of a token endpoint holds.
func tokensIn(body string) (all []*token) {
	var members map[string]any
	if json.Unmarshal([]byte(body), &members) != nil {
		return nil
	}
	for _, name := range []string{"access_token", "id_token"} {
		if text, ok := members[name].(string); ok {
			if t := readToken(text); t != nil {
				all = append(all, t)
			}
		}
	}
	return all
}

// difference is what one step answers and another doesn't.
type difference struct{ What, Then, Now string }

// fleeting are headers that differ from answer to answer.
var fleeting = []string{"Date", "Content-Length"}

// differences compares two answers to the same request.
func differences(then, now *answer) (all []difference) {
	if then.Status != now.Status {
		all = append(all, difference{"Status", fmt.Sprint(then.Status, " ", then.Words), fmt.Sprint(now.Status, " ", now.Words)})
	}
	older, newer := then.byName(), now.byName()
	names := slices.Concat(slices.Collect(maps.Keys(older)), slices.Collect(maps.Keys(newer)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !slices.Contains(fleeting, name) && older[name] != newer[name] {
			all = append(all, difference{name, cmp.Or(older[name], "—"), cmp.Or(newer[name], "—")})
		}
	}
	if then.body != now.body {
		all = append(all, difference{"Body", cmp.Or(shortened(then.body), "—"), cmp.Or(shortened(now.body), "—")})
	}
	return all
}

func (a *answer) byName() map[string]string {
	all := map[string]string{}
	for _, h := range a.Headers {
		all[h.Name] = strings.TrimPrefix(all[h.Name]+", "+h.Value, ", ")
	}
	return all
}

func shortened(text string) string {
	const most = 240
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
