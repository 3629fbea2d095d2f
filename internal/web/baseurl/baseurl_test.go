package baseurl

import (
	"net/url"
	"testing"
)

func TestParse(t *testing.T) {
	for raw, want := range map[string]struct{ base, origin bool }{
		"https://mcp.example.com":          {true, true},
		"http://localhost:9000":            {true, true},
		"http://[::1]:9000":                {true, true},
		"https://mcp.example.com:443":      {true, true},
		"https://mcp.example.com/api":      {true, false},
		"https://mcp.example.com/Realms/x": {true, false},
		"https://mcp.example.com/":         {true, false},
		"https://mcp.example.com/a%20b":    {true, false},
		"mcp.example.com":                  {},
		"ftp://mcp.example.com":            {},
		"https://":                         {},
		"https:///x":                       {},
		"https://user@mcp.example.com":     {},
		"https://mcp.example.com?":         {},
		"https://mcp.example.com?x=1":      {},
		"https://mcp.example.com#":         {},
		"https://MCP.example.com":          {},
		"HTTPS://mcp.example.com":          {},
		"https://mcp.example.com:":         {},
		"https://mcp.example.com:0":        {},
		"https://mcp.example.com:0443":     {},
		"https://mcp.example.com:70000":    {},
		"https://mcp.example.com/a b":      {},
		"":                                 {},
	} {
		if _, err := Parse("-url", raw); (err == nil) != want.base {
			t.Errorf("Parse(%q): %v", raw, err)
		}
		if _, err := ParseOrigin("-url", raw); (err == nil) != want.origin {
			t.Errorf("ParseOrigin(%q): %v", raw, err)
		}
	}
}

func TestSecureAndOrigin(t *testing.T) {
	for raw, want := range map[string]struct {
		secure bool
		origin string
	}{
		"https://a.example":       {true, "https://a.example:443"},
		"https://A.example:443/x": {true, "https://a.example:443"},
		"http://localhost":        {true, "http://localhost:80"},
		"http://[::1]:8080":       {true, "http://[::1]:8080"},
		"http://a.example":        {false, "http://a.example:80"},
		"http://app.localhost":    {false, "http://app.localhost:80"},
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if Secure(u) != want.secure || Origin(u) != want.origin {
			t.Errorf("%s: %v %s", raw, Secure(u), Origin(u))
		}
	}
	a, b := &url.URL{Scheme: "https", Host: "h"}, &url.URL{Scheme: "https", Host: "H:443"}
	if !SameOrigin(a, b) || SameOrigin(a, &url.URL{Scheme: "http", Host: "h"}) {
		t.Error("SameOrigin")
	}
}

// WC13: a default port that is written out names the same server.
func TestWC13_Canonical(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h:443":      "https://h",
		"https://h":          "https://h",
		"https://h:80":       "https://h:80",
		"http://h:80/a%20b":  "http://h/a%20b",
		"http://h:8080":      "http://h:8080",
		"https://[::1]:443":  "https://[::1]",
		"https://[::443]":    "https://[::443]",
		"https://[::1]:4430": "https://[::1]:4430",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Canonical(u); got != want {
			t.Errorf("Canonical(%s) = %s, want %s", raw, got, want)
		}
	}
}
