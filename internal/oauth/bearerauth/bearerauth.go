// Package bearerauth asks every request for an access token (RFC 6750) and
// tells the handlers behind it who calls.
package bearerauth

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/syntax"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// A Verifier turns a token into the principal that it stands for, or says in
// an error, meant for logs, why it stands for nobody. An error with a method
// RetryAfter() time.Duration says that this isn't known yet.
type Verifier interface {
	Verify(ctx context.Context, token string) (*principal.Principal, error)
}

// Challenge is what a refused client is told in WWW-Authenticate (RFC 6750,
// section 3). Its values are the server's own and must not hold quotes.
type Challenge struct {
	Realm string
	// ResourceMetadata is the URL of the RFC 9728 document: where a client
	// without a token learns whom to ask for one.
	ResourceMetadata string
	// Scope is what a client should ask for first, with blanks between: the
	// least that gets it going (MCP, authorization, "Scope Selection Strategy").
	Scope string
	// Body writes the body of a refusal. Nil: [jsonreply.Refuse], OAuth's own.
	Body func(http.ResponseWriter, *http.Request, jsonreply.Refusal)
}

// Require lets requests through to next that carry a valid access token, with
// their principal in the context. It reads nothing but the Authorization
// header: a token in the query, the body or a cookie is not looked at.
//
// It answers 401 without an error code in the challenge when no token was sent, 401
// invalid_token when one was and is no good, whatever the reason, and 400
// invalid_request when two were sent (RFC 6750, section 3.1).
func Require(verifier Verifier, challenge Challenge, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, sent := credentials(r.Header.Values("Authorization"))
		switch sent {
		case nothing:
			challenge.refuse(w, r, http.StatusUnauthorized, "", "This server needs an access token: send it as 'Authorization: Bearer …'.")
			return
		case several:
			refused(r.Context(), errTwoCredentials)
			challenge.refuse(w, r, http.StatusBadRequest, "invalid_request", "Send one Authorization header with one token.")
			return
		}
		who, err := verifier.Verify(r.Context(), token)
		if err != nil || who == nil {
			// The reason is for the log. Told to the caller, it would tell a
			// forger how far he got.
			refused(r.Context(), err)
			var undecided interface{ RetryAfter() time.Duration }
			if errors.As(err, &undecided) {
				challenge.later(w, r, undecided.RetryAfter())
				return
			}
			challenge.refuse(w, r, http.StatusUnauthorized, "invalid_token",
				"The access token is not valid for this server, or no longer. Get a new one for this server.")
			return
		}
		next.ServeHTTP(w, r.WithContext(principal.NewContext(r.Context(), who)))
	})
}

// errTwoCredentials says that a request has more than one token.
var errTwoCredentials = errors.New("more than one Authorization header or credential")

func refused(ctx context.Context, err error) {
	logging.FromContext(ctx).InfoContext(ctx, "token refused", logging.Error(err))
}

// refuse answers with the challenge and a body that says the same.
func (c Challenge) refuse(w http.ResponseWriter, r *http.Request, status int, code, description string) {
	c.write(w, code, description, c.Scope)
	c.body(w, r, jsonreply.Refusal{Status: status, Code: cmp.Or(code, "missing_token"), Description: description, Scope: c.Scope})
}

// later answers 503: a 401 would make the client throw away a token that may be
// good (RFC 9110, section 15.6.4).
func (c Challenge) later(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	c.body(w, r, jsonreply.Refusal{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
		Description: "It is not known yet whether the access token is valid. Keep it and try again in a few seconds.",
	})
}

func (c Challenge) body(w http.ResponseWriter, r *http.Request, refusal jsonreply.Refusal) {
	if c.Body == nil {
		c.Body = jsonreply.Refuse
	}
	c.Body(w, r, refusal)
}

// InsufficientScope answers 403: the token is good and allows too little.
// scope is all that the operation needs, so that one step-up is enough (RFC
// 6750, section 3.1; MCP, authorization, "Scope Challenge Handling").
func (c Challenge) InsufficientScope(w http.ResponseWriter, r *http.Request, scope, description string) {
	c.write(w, "insufficient_scope", description, scope)
	c.body(w, r, jsonreply.Refusal{Status: http.StatusForbidden, Code: "insufficient_scope", Description: description, Scope: scope})
}

// write sets WWW-Authenticate. Every value is quoted: some clients read no
// other form.
func (c Challenge) write(w http.ResponseWriter, code, description, scope string) {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + c.Realm + `"`)
	add := func(name, value string) {
		if value != "" {
			b.WriteString(", " + name + `="` + value + `"`)
		}
	}
	add("error", code)
	if code != "" {
		add("error_description", ascii(description))
	}
	add("scope", scope)
	add("resource_metadata", c.ResourceMetadata)
	w.Header().Set("WWW-Authenticate", b.String())
}

// ascii leaves out what RFC 6750, section 3, doesn't allow in a description.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

type sent int

const (
	nothing sent = iota // or another scheme than Bearer
	one
	several
)

// credentials reads the Authorization headers of a request: the scheme in any
// case (RFC 9110, section 11.1), one blank, one b64token (RFC 6750, section
// 2.1). What names the scheme Bearer and has another form is a token too, the
// empty one, which no verifier accepts.
func credentials(headers []string) (token string, s sent) {
	// A comma is in no token: it joins two headers into one.
	if len(headers) > 1 || len(headers) == 1 && strings.Contains(headers[0], ",") {
		return "", several
	}
	if len(headers) == 0 {
		return "", nothing
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if name, _, _ := strings.Cut(scheme, "\t"); !strings.EqualFold(name, "bearer") {
		return "", nothing
	}
	if len(scheme) != len("bearer") || !syntax.B64Token(token) {
		return "", one
	}
	return token, one
}
