package syntax

import "testing"

func TestForms(t *testing.T) {
	for value, want := range map[string]struct{ scope, token, visible, b64 bool }{
		"":                   {scope: true},
		"mcp:read":           {true, true, true, false},
		"mcp:read mcp:tools": {true, false, false, false},
		"a  b":               {},
		" a":                 {},
		"a\nb":               {},
		`a"b`:                {visible: true},
		`a\b`:                {visible: true},
		"a!b@c,d|e":          {true, true, true, false},
		"abc-._~+/==":        {true, true, true, true},
		"=":                  {true, true, true, false},
		"a=b":                {true, true, true, false},
		"é":                  {},
		"a\x7f":              {},
	} {
		if Scope(value) != want.scope || ScopeToken(value) != want.token || Visible(value) != want.visible || B64Token(value) != want.b64 {
			t.Errorf("%q: scope %v, token %v, visible %v, b64 %v", value, Scope(value), ScopeToken(value), Visible(value), B64Token(value))
		}
	}
}
