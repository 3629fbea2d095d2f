//go:build ignore

// These lines are for go-sdk, which this module doesn't require. The example in
// examples/gosdk compiles them.
package protect

import (
	"context"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/logging"
)

// token: tokenVerifier is the verifier in the form of go-sdk. The reason for a
// refusal goes to the log, since go-sdk shows errors to callers.
func tokenVerifier(verifier bearerauth.Verifier) auth.TokenVerifier {
	return func(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		caller, err := verifier.Verify(ctx, token)
		if err != nil {
			logging.FromContext(ctx).InfoContext(ctx, "token refused", logging.Error(err))
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{
			UserID: caller.Subject, Scopes: caller.Scopes, Expiration: caller.Expires,
			Extra: map[string]any{"principal": caller},
		}, nil
	}
}

// token: verified is a verifier behind bearerauth: it verifies nothing again.
type verified struct{}

// token: Verify returns the caller of the request.
func (verified) Verify(ctx context.Context, _ string) (*principal.Principal, error) {
	return principal.FromContext(ctx), nil
}

// token: withCaller tells go-sdk who calls. Tools find the caller in Extra.TokenInfo
// of their request, and go-sdk keeps each session for the user who began it.
func withCaller(mcp http.Handler) http.Handler {
	options := &auth.RequireBearerTokenOptions{ClockSkew: accesstoken.Leeway}
	return auth.RequireBearerToken(tokenVerifier(verified{}), options)(mcp)
}
