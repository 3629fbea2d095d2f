package principal

import (
	"context"
	"testing"
)

func TestE03ExactComparison(t *testing.T) {
	p := &Principal{
		Scopes: []string{"mcp:toolsX", "not-mcp:tools", "MCP:TOOLS", "mcp:tools ", "mcp:read,mcp:tools"},
		Roles:  []string{"Admin", "administrator", "user,admin"},
	}
	if p.HasScope("mcp:tools") || p.HasScope("") || p.HasRole("admin") || p.HasRole("") {
		t.Errorf("%+v has what it only resembles", p)
	}
	p = &Principal{Scopes: []string{"mcp:read", "mcp:tools"}, Roles: []string{"user", "admin"}}
	if !p.HasScope("mcp:tools") || !p.HasRole("admin") {
		t.Errorf("%+v lacks what it has", p)
	}
	if none := new(Principal); none.HasScope("mcp:read") || none.HasRole("user") {
		t.Error("the zero value may do something")
	}
}

// Whoever asks for the caller where nobody was authenticated must not get an
// answer to decide by.
func TestNobody(t *testing.T) {
	alice := &Principal{Subject: "alice"}
	if got := FromContext(NewContext(context.Background(), alice)); got != alice {
		t.Errorf("FromContext = %+v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic without a caller")
		}
	}()
	FromContext(context.Background())
}
