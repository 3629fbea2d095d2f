package mcpauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/syntax"
)

// A Challenge says what a server wants before it answers (RFC 9110, section
// 11.6.1).
type Challenge struct {
	Scheme string // as it was sent; compare it with strings.EqualFold
	// Params are the parameters, with names in lower case.
	Params map[string]string
	// Token68 is what some schemes send in place of parameters.
	Token68 string
}

// maxChallenge is how much of a WWW-Authenticate header is read, in bytes.
const maxChallenge = 16 << 10

// ParseChallenges reads the WWW-Authenticate headers of an answer. One header
// may hold several challenges, and a comma separates challenges as well as
// parameters: a name without "=" is a scheme. What can't be read is an error:
// a client that guesses can be led to another server.
func ParseChallenges(headers []string) ([]Challenge, error) {
	var all []Challenge
	for _, header := range headers {
		if len(header) > maxChallenge {
			return nil, fmt.Errorf("a WWW-Authenticate header of %d bytes is too long", len(header))
		}
		p := &challengeParser{rest: header}
		found, err := p.challenges()
		if err != nil {
			return nil, fmt.Errorf("WWW-Authenticate can't be read: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// FindChallenge returns the challenge that an OAuth client answers: the first
// of scheme Bearer (RFC 6750, section 3) or DPoP (RFC 9449, section 7.1). It
// prefers one that names its metadata. It is the zero Challenge where there is
// none; also, with an error, where the headers can't be read.
func FindChallenge(header http.Header) (Challenge, error) {
	all, err := ParseChallenges(header.Values("WWW-Authenticate"))
	var first Challenge
	for _, c := range all {
		if !strings.EqualFold(c.Scheme, "Bearer") && !strings.EqualFold(c.Scheme, "DPoP") {
			continue
		}
		if c.Params["resource_metadata"] != "" {
			return c, nil
		}
		if first.Scheme == "" {
			first = c
		}
	}
	return first, err
}

// takesDPoP reports whether a challenge asks for tokens that are bound to a key
// (RFC 9449, section 7.1).
func takesDPoP(header http.Header) bool {
	all, err := ParseChallenges(header.Values("WWW-Authenticate"))
	return err == nil && slices.ContainsFunc(all, func(c Challenge) bool { return strings.EqualFold(c.Scheme, "DPoP") })
}

type challengeParser struct{ rest string }

func (p *challengeParser) challenges() ([]Challenge, error) {
	var all []Challenge
	for {
		p.skip(" \t,")
		if p.rest == "" {
			return all, nil
		}
		name := p.token()
		if name == "" {
			return nil, fmt.Errorf("unexpected %.10q", p.rest)
		}
		c := Challenge{Scheme: name, Params: map[string]string{}}
		if err := p.fill(&c); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
}

// fill reads what follows a scheme: a token68, or parameters until the next
// scheme begins.
func (p *challengeParser) fill(c *Challenge) error {
	if p.rest != "" && p.rest[0] != ' ' && p.rest[0] != '\t' && p.rest[0] != ',' {
		return fmt.Errorf("unexpected %.10q after scheme %.20q", p.rest, c.Scheme)
	}
	p.skip(" \t")
	if value, ok := p.token68(); ok {
		c.Token68 = value
		return nil
	}
	for {
		p.skip(" \t,")
		before := p.rest
		name := strings.ToLower(p.token())
		p.skip(" \t") // BWS, which readers must take (RFC 9110, section 11.2)
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			p.rest = before // the end, or the next scheme
			return nil
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, err := p.value()
		if err != nil {
			return err
		}
		// Parameters must not repeat (RFC 9110, section 11.2): two readers
		// could believe different ones.
		if _, twice := c.Params[name]; twice {
			return fmt.Errorf("the parameter %.20q appears twice", name)
		}
		c.Params[name] = value
		if p.rest != "" && !strings.ContainsRune(" \t,", rune(p.rest[0])) {
			return fmt.Errorf("unexpected %.10q after a value; want a comma", p.rest)
		}
	}
}

func (p *challengeParser) skip(characters string) { p.rest = strings.TrimLeft(p.rest, characters) }

func (p *challengeParser) token() string {
	before := p.rest
	p.skip(tokenCharacters)
	return strings.TrimSuffix(before, p.rest)
}

// token68 takes text that is a token68 and nothing else up to a comma or the
// end. A single name with one "=" and a value after it is a parameter.
func (p *challengeParser) token68() (string, bool) {
	text, after, _ := strings.Cut(p.rest, ",")
	text = strings.TrimRight(text, " \t")
	if !syntax.B64Token(text) {
		return "", false
	}
	// "Negotiate, Bearer …" and "Bearer, Basic": a lone name here is the next
	// scheme only after a comma, so this one is a token68.
	p.rest = after
	return text, true
}

func (p *challengeParser) value() (string, error) {
	if !strings.HasPrefix(p.rest, `"`) {
		value := p.token()
		if value == "" {
			return "", fmt.Errorf("no value before %.10q", p.rest)
		}
		return value, nil
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case '\\':
			if i++; i == len(p.rest) {
				return "", fmt.Errorf("a quoted string does not end")
			}
		}
		b.WriteByte(p.rest[i])
	}
	return "", fmt.Errorf("a quoted string does not end")
}

// tokenCharacters are those of a token (RFC 9110, section 5.6.2).
const tokenCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
