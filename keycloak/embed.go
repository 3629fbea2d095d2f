// Package keycloakrealm holds the realm file that Keycloak imports, and with
// which the embedded authorization server starts.
package keycloakrealm

import _ "embed"

// File is the text of mcp-realm.json.
//
//go:embed mcp-realm.json
var File []byte
