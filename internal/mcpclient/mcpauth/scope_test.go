package mcpauth

import (
	"errors"
	"strings"
	"testing"
)

func TestMC09_WhatIsAskedFor(t *testing.T) {
	resource := &Resource{ScopesSupported: []string{"a", "b", "offline_access"}}
	lists := &AuthorizationServer{ScopesSupported: []string{"a", "offline_access"}}
	for name, c := range map[string]struct {
		challenge string
		resource  *Resource
		server    *AuthorizationServer
		want      string
		offline   bool
		scope     string
	}{
		"the challenge":                      {"x y", resource, &AuthorizationServer{}, "", false, "x y"},
		"else what the resource lists":       {"", resource, &AuthorizationServer{}, "", false, "a b"},
		"else nothing":                       {"", &Resource{}, &AuthorizationServer{}, "", false, ""},
		"what the user wants on top":         {"x", resource, &AuthorizationServer{}, "z x", false, "x z"},
		"offline_access where it is listed":  {"x", resource, lists, "", true, "x offline_access"},
		"not where it isn't":                 {"x offline_access", resource, &AuthorizationServer{}, "", true, "x"},
		"not where nobody wants it":          {"x offline_access", resource, lists, "", false, "x"},
		"each once":                          {"x x", resource, lists, "", false, "x"},
		"offline_access alone, where listed": {"", &Resource{}, lists, "", true, "offline_access"},
	} {
		challenge := Challenge{Params: map[string]string{"scope": c.challenge}}
		if got, err := firstScope(challenge, c.resource, c.server, c.want, c.offline); err != nil || got != c.scope {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for _, scope := range []string{`a"b`, "a\\b", "ä", strings.Repeat("a", 300), strings.Repeat("a ", 300)} {
		if got, err := firstScope(Challenge{Params: map[string]string{"scope": scope}}, resource, lists, "", false); err == nil {
			t.Errorf("%.20q: got %q", scope, got)
		}
	}
}

// The step-up asks for all that there was and all that is missing.
func TestMC11_I14_Union(t *testing.T) {
	r := newRig(t)
	c := r.client()
	r.mustPost(c, "tools/list")
	r.mustPost(c, "tools/call")
	if len(r.as.requests) != 2 || r.as.requests[0].Get("scope") != "mcp:read" || r.as.requests[1].Get("scope") != "mcp:read mcp:tools" {
		t.Errorf("asked %v", r.as.requests)
	}
	r.mustPost(c, "tools/call")
	if registrations, authorizations, _ := r.as.count(); registrations != 1 || authorizations != 2 {
		t.Errorf("%d registrations, %d authorizations", registrations, authorizations)
	}
}

// A server that is never content gets a few tries, and then none at all.
func TestMC11_I14_NoLoop(t *testing.T) {
	r := newRig(t)
	r.never = true
	c := r.client()
	for range 5 {
		if _, err := post(t, c, r.url(), "tools/call"); !errors.Is(err, ErrScope) {
			t.Fatalf("got %v", err)
		}
	}
	if _, authorizations, _ := r.as.count(); authorizations > 3 {
		t.Errorf("%d authorizations", authorizations)
	}
	r.mustPost(c, "tools/list") // which the token is still good for
}

// What no token can mend is not tried again: the answer goes to the caller, and
// the reason is kept until something succeeds.
func TestMC11_DeniedForGood(t *testing.T) {
	r := newRig(t)
	c := r.client()
	if status, err := post(t, c, r.url(), "forbidden"); status != 403 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	if err := c.Err(); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "Not for you. (access_denied)") {
		t.Errorf("got %v", err)
	}
	if _, authorizations, _ := r.as.count(); authorizations != 1 {
		t.Errorf("%d authorizations", authorizations)
	}
	// The next try, in another protocol version, explains nothing.
	if status, err := post(t, c, r.url(), "unsupported"); status != 400 || err != nil || !errors.Is(c.Err(), ErrDenied) {
		t.Errorf("got %d, %v, and kept %v", status, err, c.Err())
	}
	r.mustPost(c, "x")
	if err := c.Err(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestMC11_I14_LessIsGranted(t *testing.T) {
	r := newRig(t)
	r.as.grantOnly = "mcp:read"
	c := r.client()
	_, err := post(t, c, r.url(), "tools/call")
	if !errors.Is(err, ErrScope) || !strings.Contains(err.Error(), "mcp:tools") || !strings.Contains(err.Error(), "did not grant") {
		t.Errorf("got %v", err)
	}
	if !errors.Is(c.Err(), ErrScope) {
		t.Errorf("and kept %v", c.Err())
	}
	if _, authorizations, _ := r.as.count(); authorizations != 2 {
		t.Errorf("%d authorizations", authorizations)
	}
}
