package authserver

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Many clients ask for a scope that they can't get, each for a reason of its
// own. With -race this found that the reason was written into a value that all
// requests shared.
func TestWE1_AReasonBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	r := start(t)
	granted := make([]reply, 20)
	for i := range granted {
		granted[i] = r.login("mcp-user")
	}
	var all sync.WaitGroup
	for _, got := range granted {
		all.Go(func() {
			refused := r.tokens(refreshForm(got.RefreshToken, "scope=mcp:prompts"))
			if refused.status != http.StatusBadRequest || refused.Error != "invalid_scope" || strings.Contains(refused.text, "more than") {
				t.Errorf("%d %s", refused.status, refused.text)
			}
		})
	}
	all.Wait()
}

// Somebody who can't go on is told where else to go on this server.
func TestProblemPagesHaveAWayOn(t *testing.T) {
	t.Parallel()
	r := start(t)
	page := r.browser().get(r.ask("redirect_uri=https://evil.example/"))
	if want := `<a href="` + r.Server.base() + pathApplications + `">`; page.StatusCode != 400 || !strings.Contains(page.text, want) {
		t.Errorf("status %d, %s", page.StatusCode, page.text)
	}
}
