// Package tokenbench takes an access token apart, changes it, signs it anew, and
// makes each check of step 6 and step 10, in the order of the code, with the line
// that refuses.
//
//	bench, err := tokenbench.New(root, time.Now)
//	token, err := bench.Flawed("wrong-audience")
//	verdict := bench.Judge(ctx, token, tokenbench.Strict())
//
// The flaws are those of gentoken, the shapes those of providershapes, the checks
// those of accesstoken. Nothing of a token is logged, stored or sent on.
package tokenbench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

// Issuer and Audience are those of gentoken's tokens.
const (
	Issuer   = "http://localhost:9000"
	Audience = Issuer + "/mcp"
)

// Bench has two keys of its own: the issuer's, and one that nobody published.
type Bench struct {
	now           func() time.Time
	issuer, other *rsa.PrivateKey
	public        jwks.Key // of the issuer
	source        *Source
	shapes        map[string]providershapes.Token
}

// New makes the keys and reads the source below root.
func New(root string, now func() time.Time) (b *Bench, err error) {
	b = &Bench{now: now}
	if b.issuer, err = rsa.GenerateKey(rand.Reader, jwks.MinRSABits); err != nil {
		return nil, err
	}
	if b.other, err = rsa.GenerateKey(rand.Reader, jwks.MinRSABits); err != nil {
		return nil, err
	}
	if b.public, err = jwks.New(&b.issuer.PublicKey, keys.Algorithm); err != nil {
		return nil, err
	}
	if b.shapes, err = providershapes.Tokens(); err != nil {
		return nil, err
	}
	b.source, err = ReadSource(root)
	return b, err
}

// Rules say whom a server trusts, and how that issuer writes its tokens.
type Rules struct {
	Issuer, Audience string
	Dialect          string // name of a preset
	// Offline leaves the key and the signature unchecked: the keys of the issuer of a
	// pasted token are not here.
	Offline bool
}

// Strict are the rules of step 6.
func Strict() Rules { return Rules{Issuer: Issuer, Audience: Audience, Dialect: "rfc9068"} }

// Check is one check of a verdict.
type Check struct {
	accesstoken.Check
	Number  int
	Refuses bool // it is the first that fails: a server stops here
	Beyond  bool // a server doesn't come so far
	Line    Place
}

// Verdict is what the checks make of a token.
type Verdict struct {
	Checks []Check
	// Stop is the check that refuses; nil: none does.
	Stop *Check
	// Unknown says that a check could not be made, so that the token isn't accepted here.
	Unknown bool
}

// Accepted reports whether all checks passed.
func (v Verdict) Accepted() bool { return v.Stop == nil && !v.Unknown }

// Judge makes all checks.
func (b *Bench) Judge(ctx context.Context, token string, r Rules) (Verdict, error) {
	written, err := dialect.Named(cmp.Or(r.Dialect, "rfc9068"))
	if err != nil {
		return Verdict{}, err
	}
	verifier := &accesstoken.Verifier{
		Issuer: r.Issuer, Audience: r.Audience, Algorithms: []string{keys.Algorithm}, Dialect: written, Now: b.now,
	}
	if !r.Offline {
		verifier.Keys = jwks.Set{b.public}
	}
	var v Verdict
	for i, made := range verifier.Explain(ctx, token) {
		c := Check{Check: made, Number: i + 1, Beyond: v.Stop != nil}
		c.Line, _ = b.source.Line(made.Name, made.Refusal)
		c.Refuses = v.Stop == nil && made.Outcome == accesstoken.Failed
		v.Unknown = v.Unknown || made.Outcome == accesstoken.NotChecked
		v.Checks = append(v.Checks, c)
		if c.Refuses {
			v.Stop = &c
		}
	}
	return v, nil
}

// Good is a token that step 6 accepts.
func (b *Bench) Good() (string, error) { return b.draft().Token() }

func (b *Bench) draft() *mint.Draft {
	return mint.New(b.issuer, b.public.ID, mint.Grant{
		Issuer: Issuer, Audience: Audience, Username: "alice", ClientID: "gentoken",
		Scopes: []string{"mcp:read", "mcp:tools"}, Roles: mint.RolesOf("alice"), Lifetime: time.Hour, Now: b.now(),
	})
}

// Flawed is a token with one of gentoken's flaws.
func (b *Bench) Flawed(name string) (string, error) {
	flaw, ok := mint.FlawByName(name)
	if !ok {
		return "", fmt.Errorf("no such choice: the flaw %.40q; gentoken -flaw list prints all", name)
	}
	draft := b.draft()
	if err := flaw.Spoil(draft); err != nil {
		return "", err
	}
	return draft.Token()
}

// Shapes are the names of the providers' tokens, sorted.
func (b *Bench) Shapes() []string { return slices.Sorted(maps.Keys(b.shapes)) }

// Shape is a provider's token, signed by the issuer's key, with the rules of a strict
// server that trusts this provider.
func (b *Bench) Shape(name string) (token string, rules Rules, err error) {
	shape, ok := b.shapes[name]
	if !ok {
		return "", Rules{}, fmt.Errorf("no such choice: the provider's token %.40q", name)
	}
	rules = Rules{Issuer: shape.Issuer, Audience: shape.Audience, Dialect: "rfc9068"}
	token, err = shape.Sign(b.issuer, b.public.ID, b.now())
	return token, rules, err
}

// Expected is what a server makes of a provider's token, by its documentation.
func (b *Bench) Expected(name string) providershapes.Expected { return b.shapes[name].Expected }

// Parts are what a token is made of.
type Parts struct {
	Header, Claims string // JSON, or what stands there instead
	Signature      string // base64url
}

// Take takes a token apart, for people. A token that is not a JWT has no parts.
func Take(token string) (p Parts, isJWT bool) {
	raw := strings.Split(token, ".")
	if len(raw) != 3 {
		return Parts{}, false
	}
	header, headerErr := base64.RawURLEncoding.DecodeString(raw[0])
	claims, claimsErr := base64.RawURLEncoding.DecodeString(raw[1])
	return Parts{part.Readable(string(header)), part.Readable(string(claims)), raw[2]}, headerErr == nil && claimsErr == nil
}

// Signer is who signs a token anew.
type Signer string

// The signers.
const (
	ByIssuer Signer = "issuer"
	ByOther  Signer = "other" // a key that nobody published
	ByNobody Signer = "none"  // an empty signature
	Kept     Signer = "keep"  // the signature stays, so that a change shows
)

// Sign writes the parts as a token, signed anew.
func (b *Bench) Sign(p Parts, by Signer) (string, error) {
	draft := mint.New(b.key(by), "", mint.Grant{})
	draft.HeaderText, draft.ClaimsText = compact(p.Header), compact(p.Claims)
	switch by {
	case ByNobody:
		draft.Sign = func([]byte) ([]byte, error) { return nil, nil }
	case Kept:
		signature, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(p.Signature))
		if err != nil {
			return "", fmt.Errorf("the signature is not base64url; correct it, or sign anew: %w", err)
		}
		draft.Sign = func([]byte) ([]byte, error) { return signature, nil }
	case ByIssuer, ByOther:
	default:
		return "", fmt.Errorf("no such choice: the signer %.40q", by)
	}
	token, err := draft.Token()
	if err == nil && len(token) > jws.MaxSize {
		err = fmt.Errorf("the token has %d bytes; the server reads %d at most", len(token), jws.MaxSize)
	}
	return token, err
}

func (b *Bench) key(by Signer) *rsa.PrivateKey {
	if by == ByOther {
		return b.other
	}
	return b.issuer
}

// compact takes the indentation out again; what is not JSON stays as it is.
func compact(text string) string {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return cmp.Or(text, " ") // an empty text would mean the draft's own
	}
	return out.String()
}
