package main

import (
	"fmt"
	"io"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// welcome prints what a user needs next. The passwords of the demo users are
// public, since they are in this repository, so they are shown; others never.
func welcome(out io.Writer, issuer, state string, r *realm.Realm) {
	fmt.Fprintf(out, "issuer  %s\naccount %s/account/applications, where users see and take back what they allowed\n", issuer, issuer)
	if state == "" {
		fmt.Fprint(out, "state   in memory. Registered clients are forgotten when this program ends, and many clients then wait for ever:\n"+
			"        keep them with -state FILE, or let the client forget its registration and register again\n")
	}
	example, password := "USER", "PASSWORD"
	for _, user := range r.Users {
		switch {
		case user.Password == "":
		case realm.KnownFromDemo(user.Password):
			fmt.Fprintf(out, "user    %s, demo password %s\n", user.Username, user.Password)
			if example == "USER" || user.Username == "mcp-user" {
				example, password = user.Username, user.Password
			}
		default:
			fmt.Fprintf(out, "user    %s\n", user.Username)
		}
	}
	for _, client := range r.Clients {
		if client.DirectAccess && client.Public {
			fmt.Fprintf(out, "\nA token for a first try, by the password grant, which OAuth 2.1 no longer has:\n\n"+
				"  curl -s %s/protocol/openid-connect/token \\\n"+
				"    -d grant_type=password -d client_id=%s -d username=%s -d password=%s \\\n"+
				"    -d 'scope=mcp:read mcp:tools'\n\n", issuer, client.ID, example, password)
		}
	}
}
