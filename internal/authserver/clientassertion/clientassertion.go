// Package clientassertion verifies private_key_jwt: a client authenticates at
// the token endpoint with a JWT that it signed itself (RFC 7523, section 3;
// OpenID Connect Core, section 9). Unlike a secret it can't be replayed at
// another server or later: it names one server, expires within minutes and is
// accepted once.
//
//	v := &clientassertion.Verifier{Audience: []string{issuer}}
//	err := v.Verify(ctx, assertion, clientID, keys)
package clientassertion

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/web/quota"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// Type is the client_assertion_type of such assertions (RFC 7523, section
// 2.2).
const Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Algorithms are those that are verified: none of them symmetric. Metadata
// lists them as token_endpoint_auth_signing_alg_values_supported.
var Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}

const (
	// MaxLifetime is how far ahead an assertion may end. For so long its jti
	// must be remembered.
	MaxLifetime = 5 * time.Minute
	// Leeway is how far clocks may differ.
	Leeway = 30 * time.Second

	maxID = 256 // bytes of a jti

	// PerClient and Memory are how many assertions are remembered by default, of
	// one client (three a second) and of all.
	PerClient = 1000
	Memory    = 20_000
)

// What can be wrong with an assertion, besides the errors of package jws. The
// text is for logs; the client gets invalid_client for all of them.
var (
	ErrType     = errors.New("not a client assertion")
	ErrClient   = errors.New("issued by or for another client")
	ErrAudience = errors.New("wrong audience")
	ErrExpired  = errors.New("expired, or without expiry")
	ErrNotYet   = errors.New("not valid yet")
	ErrLifetime = errors.New("valid for too long")
	ErrReplayed = errors.New("used before")
	ErrOld      = errors.New("made before this server started")
	ErrNoID     = errors.New("no usable jti")
	ErrFull     = errors.New("too many assertions at a time")

	ErrForgotten = errors.New("it may have been used before the clock was set back")
)

// Verifier checks the assertions of all clients of one authorization server.
// Its zero value refuses everything, for want of an audience.
type Verifier struct {
	// Audience are the names of the server. An assertion's audience must be one
	// of them. The issuer identifier belongs here; draft-ietf-oauth-rfc7523bis,
	// section 4, allows nothing else. The URL of the token endpoint is for
	// clients of RFC 7523 and OpenID Connect.
	Audience []string
	Now      func() time.Time // the clock; nil: the real one
	// Since is when this verifier began to remember. An assertion that is older
	// may have been used before a restart, and is refused (RFC 7523, section 3,
	// rules 6 and 7). One without iat counts as old as its exp allows. Zero: no
	// assertion is refused for its age.
	Since time.Time
	// Proven reports whether somebody vouches for a client: the operator, or a user
	// who has logged in for it. Of other clients, the one with the most assertions
	// makes room for those of all. Nil: all clients are proven.
	Proven    func(clientID string) bool
	PerClient int // assertions of one client that are remembered at a time; 0: [PerClient]
	Memory    int // those of all clients; 0: [Memory]

	mu        sync.Mutex
	used      map[string]time.Time // by the SHA-256 of client and jti: until when it is remembered
	ledger    *quota.Ledger
	forgotten time.Time // the last end of an assertion that is no longer remembered
}

// Verify checks that an assertion is one of clientID, signed by one of its
// registered keys, meant for this server, and not used before. It is then used
// up.
func (v *Verifier) Verify(ctx context.Context, assertion, clientID string, keys jwks.Set) error {
	if clientID == "" {
		return fmt.Errorf("%w: no client", ErrClient)
	}
	token, err := jws.Parse(assertion)
	if err != nil {
		return err
	}
	if err := token.Authenticate(ctx, keys, Algorithms); err != nil {
		return err
	}
	// An explicit type is recommended and rarely sent. A JWT of another type,
	// such as an access token, is not an assertion (RFC 8725, section 3.11;
	// rfc7523bis, section 4).
	if err := checkType(token); err != nil {
		return err
	}
	said, err := readClaims(token.Payload)
	if err != nil {
		return err
	}
	// RFC 7523, section 3: the client speaks for itself.
	if said.issuer != clientID || said.subject != clientID {
		return fmt.Errorf("%w: iss %.64q, sub %.64q", ErrClient, said.issuer, said.subject)
	}
	if !slices.Contains(v.Audience, said.audience) {
		return fmt.Errorf("%w: %.100q", ErrAudience, said.audience)
	}
	if err := said.checkTimes(v.now()); err != nil {
		return err
	}
	if said.madeBefore(v.Since) {
		return ErrOld
	}
	return v.use(clientID, said.id, said.expires.Add(Leeway))
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func checkType(token *jws.Token) error {
	if !token.Has("typ") {
		return nil
	}
	typ, _ := token.Text("typ")
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "jwt", "client-authentication+jwt":
		return nil
	}
	return fmt.Errorf("%w: typ %.32q", ErrType, typ)
}

// use remembers an assertion until it has expired. A client that has used as
// many assertions as one client may is refused, and nobody else; a forgotten
// assertion could be used twice. For that reason none is accepted that ends before
// one that was forgotten: then the clock was ahead, and has gone back.
func (v *Verifier) use(client, id string, until time.Time) error {
	proven := v.Proven == nil || v.Proven(client)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.used == nil {
		v.used = map[string]time.Time{}
		v.ledger = quota.New(cmp.Or(v.PerClient, PerClient), cmp.Or(v.Memory, Memory))
	}
	now := v.now()
	sum := sha256.Sum256([]byte(strconv.Quote(client) + id))
	key := string(sum[:])
	v.forget(v.ledger.Expire(now), now)
	switch _, known := v.used[key]; {
	case known:
		return ErrReplayed
	case !until.After(v.forgotten):
		return ErrForgotten
	case v.ledger.Of(client) >= cmp.Or(v.PerClient, PerClient):
		return ErrFull
	}
	gone, err := v.ledger.Add(client, key, until, now)
	v.forget(gone, now)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if proven {
		v.ledger.Prove(key)
	}
	v.used[key] = until
	return nil
}

// forget forgets assertions: those that have ended, and those of a client that made
// room for others, which that client alone can bring about.
func (v *Verifier) forget(gone []string, now time.Time) {
	for _, key := range gone {
		if end := v.used[key]; end.After(v.forgotten) && !end.After(now) {
			v.forgotten = end
		}
		delete(v.used, key)
	}
}

// claims is the payload of an assertion (RFC 7523, section 3).
type claims struct {
	issuer, subject, audience, id string
	expires, notBefore, issued    time.Time // zero where left out
}

// readClaims reads a payload. A claim that is there must have its type.
func readClaims(payload []byte) (*claims, error) {
	members, err := strictjson.Object(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: payload: %w", jws.ErrMalformed, err)
	}
	c := &claims{}
	for name, target := range map[string]*string{"iss": &c.issuer, "sub": &c.subject, "jti": &c.id} {
		if raw, present := members[name]; present {
			if *target, present = strictjson.String(raw); !present {
				return nil, fmt.Errorf("%w: %s is not a string", jws.ErrMalformed, name)
			}
		}
	}
	for name, target := range map[string]*time.Time{"exp": &c.expires, "nbf": &c.notBefore, "iat": &c.issued} {
		if raw, present := members[name]; present {
			if *target, present = jws.Date(raw); !present {
				return nil, fmt.Errorf("%w: %s is not a date", jws.ErrMalformed, name)
			}
		}
	}
	// One audience, as a string: not an array, even of one (rfc7523bis, section
	// 4). A second server in it could use the assertion at the first.
	var single bool
	if c.audience, single = strictjson.String(members["aud"]); !single {
		return nil, fmt.Errorf("%w: aud must be one string, not an array", ErrAudience)
	}
	return c, nil
}

// checkTimes checks what bounds the use of an assertion: exp and jti, which
// are required (OpenID Connect Core, section 9; without exp it is the year 1),
// and nbf and iat where they are.
func (c *claims) checkTimes(now time.Time) error {
	switch {
	case c.id == "" || len(c.id) > maxID:
		return ErrNoID
	case !now.Before(c.expires.Add(Leeway)):
		return ErrExpired
	case c.expires.After(now.Add(MaxLifetime + Leeway)):
		return ErrLifetime
	case c.notBefore.After(now.Add(Leeway)) || c.issued.After(now.Add(Leeway)):
		return ErrNotYet
	}
	return nil
}

// madeBefore reports whether an assertion may be older than a time. NumericDates
// are often whole seconds.
func (c *claims) madeBefore(since time.Time) bool {
	made := c.issued
	if made.IsZero() {
		made = c.expires.Add(-MaxLifetime - Leeway) // at the earliest
	}
	return made.Before(since.Truncate(time.Second))
}
