package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rowOf maps the registrations that clients send to the rows of docs/clients.md
// that let all of their redirect URIs in.
var rowOf = map[string]string{
	"Claude Code (TS SDK)":                "Claude Code",
	"Claude.ai connector":                 "Claude (web, desktop and mobile)",
	"Claude.ai, public":                   "Claude (web, desktop and mobile)",
	"ChatGPT connector":                   "ChatGPT",
	"VS Code":                             "VS Code in the browser",
	"VS Code, loopback alone":             "VS Code",
	"Cursor":                              "Cursor, by its app link and its web agents",
	"Codex CLI":                           "Codex CLI",
	"Gemini CLI":                          "Gemini CLI",
	"TS SDK example (client_secret_post)": "MCP Inspector, programs with an SDK of MCP",
	"Python SDK 1.x (client_secret_post)": "MCP Inspector, programs with an SDK of MCP",
	"n8n":                                 "n8n",
}

// flagsOf reads the flags of each client from docs/clients.md.
func flagsOf(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+ \| (none|`+"`"+`(-[^`+"`"+`]+)`+"`"+`)[^|]*\|$`).FindAllStringSubmatch(string(page), -1) {
		rows[row[1]] = strings.Fields(row[3])
	}
	return rows
}

// TestWA5_TheLinesOfTheClientsPage registers each client with the flags that the
// page names, and wants all of its redirect URIs registered.
func TestWA5_TheLinesOfTheClientsPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "authserver", "testdata", "clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Bodies map[string]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	flags := flagsOf(t)
	started := map[string]*program{} // by their flags
	for name, body := range file.Bodies {
		args, ok := flags[rowOf[name]]
		if !ok {
			t.Errorf("%s has no row in docs/clients.md", name)
			continue
		}
		key := strings.Join(args, " ")
		if started[key] == nil {
			started[key] = start(t, append([]string{"-addr", "localhost:0", "-keys", filepath.Join(t.TempDir(), "keys")}, args...)...)
		}
		var asked, granted struct {
			URIs []string `json:"redirect_uris"`
		}
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Fatal(err)
		}
		response, err := http.Post(started[key].issuer+"/clients-registrations/openid-connect", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(response.Body).Decode(&granted)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated || err != nil || !slices.Equal(granted.URIs, asked.URIs) {
			t.Errorf("%s with %q: %d, registered %q of %q", name, key, response.StatusCode, granted.URIs, asked.URIs)
		}
	}
}

// WA3: documents are advertised where a host beyond this machine is permitted,
// or where the flag says so.
func TestWA3_WhenDocumentsAreAdvertised(t *testing.T) {
	for flags, want := range map[string]bool{"": false, "-document-hosts claude.ai": true, "-advertise-documents": true, "-redirect-hosts claude.ai": false} {
		p := start(t, append([]string{"-addr", "localhost:0", "-keys", filepath.Join(t.TempDir(), "keys")}, strings.Fields(flags)...)...)
		if got := fetch(t, p.issuer+"/.well-known/openid-configuration")["client_id_metadata_document_supported"]; got != want {
			t.Errorf("%q: %v", flags, got)
		}
	}
}
