// Package keycloak holds the realm file that Keycloak imports, and with which
// the embedded authorization server starts.
package keycloak

import _ "embed"

// RealmFile is the text of mcp-realm.json.
//
//go:embed mcp-realm.json
var RealmFile []byte
