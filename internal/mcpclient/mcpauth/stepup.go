package mcpauth

import (
	"context"
	"fmt"
	"strings"
)

// stepUp gets a token with more scope, a bounded number of times (MC11). A
// step-up that has not helped is not tried again: the user would be asked at
// every request.
func (t *Transport) stepUp(ctx context.Context, challenge Challenge, s session, a *attempt) (again bool, err error) {
	wanted := challenge.Params["scope"] // empty: scopes_supported is the next try
	token := s.token()
	if token == nil {
		return false, fmt.Errorf("%w: the server answers 403 insufficient_scope to a request without a token", ErrScope)
	}
	t.mu.Lock()
	failed := t.failedStepUps[wanted] == token
	a.stepUps++
	useless := failed || a.stepUps > maxStepUps || a.stepUps > 1 && len(missingFrom(token.Asked, wanted)) == 0
	if useless {
		if len(t.failedStepUps) >= maxScopes {
			clear(t.failedStepUps)
		}
		t.failedStepUps[wanted] = token
	}
	t.mu.Unlock()
	if useless {
		return false, scopeError(token, wanted)
	}
	t.observer.note(StageRequest, fmt.Sprintf("The token is valid, but its scope is too small: %s wants %s. "+
		"The client steps up: it asks for that scope and for all that it already has.", t.server.Host, named(wanted)))
	return true, t.authorize(ctx, reason{challenge: challenge, refused: token, stepUp: true})
}

func named(scope string) string {
	if scope == "" {
		return "more and does not say what"
	}
	return fmt.Sprintf("%q", printable(scope, 200))
}

func scopeError(token *Token, wanted string) error {
	if wanted == "" {
		return fmt.Errorf("%w: the server answers 403 and names no scope, and a token with all of its scopes_supported did not help", ErrScope)
	}
	missing := missingFrom(token.Scope, wanted)
	wanted = printable(wanted, 200)
	if len(missing) > 0 {
		return fmt.Errorf("%w: the server wants %q, and the authorization server did not grant %q",
			ErrScope, wanted, printable(strings.Join(missing, " "), 200))
	}
	return fmt.Errorf("%w: the server wants %q, the token has it, and the server refuses it nevertheless", ErrScope, wanted)
}
