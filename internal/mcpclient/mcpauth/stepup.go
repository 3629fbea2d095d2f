package mcpauth

import (
	"context"
	"fmt"
	"strings"
)

// stepUp gets a token with more scope, a bounded number of times (MC11). What a
// step-up has not helped to get is not tried again: the user would be asked
// for it at every request.
func (t *Transport) stepUp(ctx context.Context, challenge Challenge, s session, a *attempt) (again bool, err error) {
	wanted := challenge.Params["scope"]
	token := s.token()
	if token == nil || wanted == "" {
		return false, fmt.Errorf("%w: the server does not say which scope it wants", ErrScope)
	}
	t.mu.Lock()
	hopeless := t.hopeless[wanted] == token
	t.mu.Unlock()
	if a.stepUps++; hopeless || a.stepUps > maxStepUps || a.stepUps > 1 && len(missingFrom(token.Asked, wanted)) == 0 {
		t.mu.Lock()
		t.hopeless[wanted] = token
		t.mu.Unlock()
		return false, t.scopeError(token, wanted)
	}
	t.observer.note(StageRequest, fmt.Sprintf("The token is good and allows too little: %s wants %q. The client steps up: it asks for that and for all that it has.", t.server.Host, printable(wanted, 200)))
	return true, t.authorize(ctx, reason{challenge: challenge, refused: token, stepUp: true})
}

func (t *Transport) scopeError(token *Token, wanted string) error {
	wanted = printable(wanted, 200)
	if missing := missingFrom(token.Scope, wanted); len(missing) > 0 {
		return fmt.Errorf("%w: the server wants %q, and the authorization server did not grant %q", ErrScope, wanted, strings.Join(missing, " "))
	}
	return fmt.Errorf("%w: the server wants %q, the token has it, and is refused all the same", ErrScope, wanted)
}
