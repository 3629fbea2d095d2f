package authserver

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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
				r.Clients[i].Secret = "long enough and unknown"
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
		"public, short secret":          {public, false, func(r *realm.Realm) { r.Clients[1].Secret = "of 21 characters now!" }, "fewer than 22 characters"},
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

func TestWA3_DocumentsAreAdvertisedWhereClientsCanUseThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hosts           []string
		told, advertise bool
	}{
		{hosts: []string{"localhost", "127.0.0.1"}},
		{hosts: []string{"localhost", "127.0.0.1"}, told: true, advertise: true},
		{hosts: []string{"localhost", "app.example"}, advertise: true},
		{hosts: []string{"*"}, advertise: true},
		{hosts: nil},
	} {
		r := start(t, func(c *Config) { c.Realm.Documents.Hosts, c.AdvertiseDocuments = test.hosts, test.told })
		var said document
		if err := json.Unmarshal([]byte(r.browser().get(r.issuer+wellKnownOAuth).text), &said); err != nil {
			t.Fatal(err)
		}
		if said.ClientIDMetadataDocument != test.advertise {
			t.Errorf("%v, told %v: advertised is %v", test.hosts, test.told, said.ClientIDMetadataDocument)
		}
	}
}

// One document stands on this machine. Whether it is fetched depends on whether
// this machine is permitted by name, and on nothing else.
func TestWA3_H06_LoopbackDocumentsDoNotDependOnOtherHosts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hosts []string
		asked bool
	}{
		{[]string{"127.0.0.1"}, true},
		{[]string{"127.0.0.1", "app.example"}, true},
		{[]string{"app.example"}, false},
		{[]string{"*"}, false},
	} {
		var connections atomic.Int32
		site := httptest.NewUnstartedServer(http.NotFoundHandler())
		site.Config.ErrorLog = log.New(io.Discard, "", 0)
		site.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		site.StartTLS()
		r := start(t, func(c *Config) { c.Realm.Documents.Hosts = test.hosts })
		r.wantPage(t, r.browser().get(r.ask("client_id="+site.URL+"/client.json")))
		site.Close()
		if asked := connections.Load() > 0; asked != test.asked {
			t.Errorf("%v: fetched is %v", test.hosts, asked)
		}
	}
}
