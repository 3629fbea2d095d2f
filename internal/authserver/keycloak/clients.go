package keycloak

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

func (y *syncer) allClients(ctx context.Context) {
	for _, want := range objects(y.s.wanted["clients"]) {
		id := text(want, "clientId")
		own := want
		got := y.find(ctx, "/clients?", "clientId", id)
		if got != nil {
			own = without(want, "defaultClientScopes", "optionalClientScopes") // which have paths of their own
		}
		y.put(ctx, "client", id, "/clients", text(got, "id"), got, own)
		y.clients[id] = text(y.find(ctx, "/clients?", "clientId", id), "id")
		path := "/clients/" + y.clients[id]
		y.assign(ctx, id, path+"/default-client-scopes", path+"/optional-client-scopes",
			texts(want["defaultClientScopes"]), texts(want["optionalClientScopes"]))
	}
}

func (y *syncer) roles(ctx context.Context) {
	all, _ := y.s.wanted["roles"].(object)
	byClient, _ := all["client"].(object)
	for client, wanted := range byClient {
		path := y.clientPath("roles", client) + "/roles"
		have := y.list(ctx, path, "name")
		for _, want := range objects(wanted) {
			name := text(want, "name")
			y.put(ctx, "role", client+": "+name, path, url.PathEscape(name), have[name], want)
		}
	}
}

// clientPath is the path of a client that a part of the file names.
func (y *syncer) clientPath(part, client string) string {
	if y.clients[client] == "" {
		y.fail(fmt.Errorf("%s: the realm file has no client %s", part, client))
	}
	return "/clients/" + y.clients[client]
}

// scopeMappings bound a scope to users who have one of its roles.
func (y *syncer) scopeMappings(ctx context.Context) {
	byClient, _ := y.s.wanted["clientScopeMappings"].(object)
	for client, mappings := range byClient {
		for _, m := range objects(mappings) {
			scope := text(m, "clientScope")
			path := "/client-scopes/" + y.scopes[scope] + "/scope-mappings/clients/"
			y.grant(ctx, "mapping", scope, path, client, texts(m["roles"]))
		}
	}
}

// grant gives roles of a client to whatever is at a path.
func (y *syncer) grant(ctx context.Context, kind, name, path, client string, roles []string) {
	defined := y.list(ctx, y.clientPath(kind+" "+name, client)+"/roles", "name")
	path += y.clients[client]
	have := y.list(ctx, path, "name")
	var missing []object
	for _, role := range roles {
		if defined[role] == nil {
			y.fail(fmt.Errorf("%s %s: Keycloak's client %s has no role %s; add it to roles.client in the realm file", kind, name, client, role))
		}
		if have[role] == nil {
			missing = append(missing, defined[role])
		}
	}
	if len(missing) == 0 {
		y.note(kind, name+": "+client, unchanged)
		return
	}
	y.send(ctx, http.MethodPost, path, missing)
	y.note(kind, name+": "+client, updated)
}

// users are created with their passwords. Those that are there keep theirs: it
// can't be read, and may have been changed for a reason.
func (y *syncer) users(ctx context.Context) {
	for _, want := range objects(y.s.wanted["users"]) {
		id := y.user(ctx, want)
		roles, _ := want["clientRoles"].(object)
		for client, names := range roles {
			path := "/users/" + id + "/role-mappings/clients/"
			y.grant(ctx, "roles", text(want, "username"), path, client, texts(names))
		}
	}
}

// user makes one user, and returns Keycloak's id of it. The account of a client
// comes with the client.
func (y *syncer) user(ctx context.Context, want object) string {
	name := strings.ToLower(text(want, "username"))
	if client := text(want, "serviceAccountClientId"); client != "" {
		var account object
		y.get(ctx, y.clientPath("user "+name, client)+"/service-account-user", &account)
		return text(account, "id")
	}
	own := without(want, "clientRoles")
	got := y.find(ctx, "/users?exact=true&", "username", name)
	if got != nil {
		own = without(own, "id", "credentials")
	}
	y.put(ctx, "user", name, "/users", text(got, "id"), got, own)
	if got == nil {
		got = y.find(ctx, "/users?exact=true&", "username", name)
	}
	return text(got, "id")
}
