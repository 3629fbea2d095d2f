package authserver

import (
	"net/url"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

func TestJ05_NoDemoCredentialsOffLoopback(t *testing.T) {
	t.Parallel()
	keys, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	good := func() *realm.Realm {
		r := realm.Demo()
		for i := range r.Users {
			if r.Users[i].Password != "" {
				r.Users[i].Password = "long and unknown " + r.Users[i].Username
			}
		}
		for i := range r.Clients {
			if !r.Clients[i].Public {
				r.Clients[i].Secret = "long and unknown"
			}
		}
		return r
	}
	const public, local = "https://auth.example.com/realms/mcp-realm", "http://localhost:8080/realms/mcp-realm"
	for name, test := range map[string]struct {
		issuer  string
		exposed bool
		change  func(*realm.Realm)
		says    string // empty: it starts
	}{
		"public, own credentials":       {public, true, nil, ""},
		"public, demo password":         {public, false, func(r *realm.Realm) { r.Users[1].Password = "user123" }, "mcp-user has a demo password"},
		"public, demo password swapped": {public, false, func(r *realm.Realm) { r.Users[0].Password = "readonly123" }, "mcp-admin has a demo password"},
		"public, demo secret":           {public, false, func(r *realm.Realm) { r.Clients[1].Secret = serverSecret }, "echo-mcp-server has a demo secret"},
		"public, empty secret":          {public, false, func(r *realm.Realm) { r.Clients[1].Secret = "" }, "echo-mcp-server has no secret"},
		"local, demo":                   {local, false, func(r *realm.Realm) { *r = *realm.Demo() }, ""},
		"local, but exposed":            {local, true, func(r *realm.Realm) { *r = *realm.Demo() }, "demo"},
		"public over http":              {"http://auth.example.com/realms/mcp-realm", false, nil, "must be https"},
		"another realm":                 {"https://auth.example.com/realms/other", false, nil, "must end with /realms/mcp-realm"},
		"a slash at the end":            {public + "/", false, nil, "must end with"},
		"upper case":                    {"https://AUTH.example.com/realms/mcp-realm", false, nil, "lower case"},
		"a query":                       {public + "?x", false, nil, "must not have a user, query or fragment"},
		"nothing":                       {"", false, nil, "is not a base URL"},
		"TLS asked for everywhere":      {local, false, func(r *realm.Realm) { r.RequireTLS = true }, "must be https"},
		"no resource": {local, false, func(r *realm.Realm) {
			for i := range r.Scopes {
				r.Scopes[i].Audience = ""
			}
		}, "no resource"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			if test.change != nil {
				test.change(r)
			}
			_, err := New(Config{Issuer: test.issuer, Realm: r, Exposed: test.exposed, Keys: keys, PasswordCost: cheap})
			switch {
			case test.says == "" && err != nil:
				t.Error(err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("%v, want one that says %q", err, test.says)
			case err != nil && (strings.Contains(err.Error(), "user123") || strings.Contains(err.Error(), serverSecret)):
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestZeroConfigIsTheDemo(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Issuer: "http://localhost:1/realms/mcp-realm"})
	if err != nil {
		t.Fatal(err)
	}
	cost := PasswordCost{}.withDefaults()
	if s.grants.resource != testResource || len(s.clients.inFile) != 2 || cost != (PasswordCost{Memory: 19456, Passes: 2}) {
		t.Errorf("resource %q, %d clients, cost %+v", s.grants.resource, len(s.clients.inFile), cost)
	}
}

func TestH06_DocumentsFromLoopbackOnlyWhereNothingElseIsPermitted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		issuer string
		hosts  []string
		local  bool
	}{
		{"http://localhost:8080/realms/mcp-realm", []string{"localhost", "127.0.0.1"}, true},
		{"http://localhost:8080/realms/mcp-realm", []string{"localhost", "app.example"}, false},
		{"http://localhost:8080/realms/mcp-realm", []string{"*"}, false},
		{"http://localhost:8080/realms/mcp-realm", nil, false},
		{"https://auth.example.com/realms/mcp-realm", []string{"localhost"}, false},
	} {
		issuer, err := url.Parse(test.issuer)
		if err != nil {
			t.Fatal(err)
		}
		if documentsFromLoopback(issuer, &realm.Documents{Hosts: test.hosts}) != test.local {
			t.Errorf("%s, %v: %v", test.issuer, test.hosts, !test.local)
		}
	}
}
