package accesstoken

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

func TestRS08Accepted(t *testing.T) {
	got, err := verifier().Verify(context.Background(), token(draft()))
	want := &principal.Principal{
		Issuer: issuer, Subject: "alice", Username: "alice", ClientID: "client",
		Scopes: []string{"mcp:read", "mcp:tools"}, Roles: []string{"user"}, Expires: now.Add(time.Hour),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Verify = %+v, %v, want %+v", got, err, want)
	}
}

// A verifier that wasn't told whom to trust trusts nobody.
func TestRS08NeverFailsOpen(t *testing.T) {
	good := token(draft())
	for name, c := range map[string]struct {
		forget func(*Verifier)
		want   error
	}{
		"zero value":     {func(v *Verifier) { *v = Verifier{} }, ErrUnconfigured},
		"no issuer":      {func(v *Verifier) { v.Issuer = "" }, ErrUnconfigured},
		"no audience":    {func(v *Verifier) { v.Audience = "" }, ErrUnconfigured},
		"no key source":  {func(v *Verifier) { v.Keys = nil }, ErrUnconfigured},
		"no keys":        {func(v *Verifier) { v.Keys = jwks.Set(nil) }, ErrKey},
		"no algorithms":  {func(v *Verifier) { v.Algorithms = nil }, ErrAlgorithm},
		"source fails":   {func(v *Verifier) { v.Keys = source{err: errors.New("down")} }, ErrKey},
		"empty key":      {func(v *Verifier) { v.Keys = source{} }, ErrAlgorithm},
		"key of no type": {func(v *Verifier) { v.Keys = source{key: jwks.Key{Algorithm: "RS256"}} }, ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier()
			c.forget(v)
			refuses(t, v, good, c.want)
		})
	}
	// Nothing configured must not equal nothing said.
	v := verifier()
	v.Issuer, v.Audience = "", ""
	refuses(t, v, token(with(draft(), all(noClaim("iss"), noClaim("aud")))), ErrUnconfigured)
}

// source answers every question for a key alike.
type source struct {
	key jwks.Key
	err error
}

func (s source) Key(context.Context, string, string) (jwks.Key, error) { return s.key, s.err }

// Without a clock of its own the verifier looks at the real one.
func TestC16RealClock(t *testing.T) {
	v := verifier()
	v.Now = nil
	d := draft()
	claim("iat", time.Now().Unix())(d)
	claim("exp", time.Now().Add(time.Hour).Unix())(d)
	accepts(t, v, d)
	claim("iat", time.Now().Add(-2*time.Hour).Unix())(d)
	claim("exp", time.Now().Add(-time.Hour).Unix())(d)
	refuses(t, v, token(d), ErrExpired)
}

// Errors go to logs (J02). They hold no part of the token beyond a short,
// escaped excerpt, so that no token can write log lines of its own.
func TestC08ErrorsAreTame(t *testing.T) {
	long := "x\r\nlevel=INFO msg=\"all is well\"\x1b[2J" + strings.Repeat("y", 5000)
	for name, spoil := range map[string]change{
		"alg":   header("alg", long),
		"kid":   header("kid", long),
		"typ":   header("typ", long),
		"iss":   claim("iss", long),
		"aud":   claim("aud", long),
		"scope": claim("scope", []string{long}),
		"JSON":  payload(long),
	} {
		_, err := verifier().Verify(context.Background(), token(with(draft(), spoil)))
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if text := err.Error(); len(text) > 300 || strings.ContainsAny(text, "\r\n\x1b") {
			t.Errorf("%s: the error is %d bytes long or has control characters: %q", name, len(text), text)
		}
	}
}
