package keycloak

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

func (y *syncer) allClients(ctx context.Context) error {
	for _, want := range objects(y.s.wanted["clients"]) {
		id := text(want, "clientId")
		got, err := y.find(ctx, "/clients?", "clientId", id)
		if err != nil {
			return err
		}
		own := want
		if got != nil {
			own = without(want, "defaultClientScopes", "optionalClientScopes") // which have paths of their own
		}
		if err := y.put(ctx, "client", id, "/clients", text(got, "id"), got, own); err != nil {
			return err
		}
		if got, err = y.find(ctx, "/clients?", "clientId", id); err != nil {
			return err
		}
		y.clients[id] = text(got, "id")
		path := "/clients/" + y.clients[id]
		if err := y.assign(ctx, id, path+"/default-client-scopes", path+"/optional-client-scopes",
			texts(want["defaultClientScopes"]), texts(want["optionalClientScopes"])); err != nil {
			return err
		}
	}
	return nil
}

func (y *syncer) roles(ctx context.Context) error {
	all, _ := y.s.wanted["roles"].(object)
	byClient, _ := all["client"].(object)
	for client, wanted := range byClient {
		path, err := y.clientPath(client)
		if err != nil {
			return fmt.Errorf("roles: %w", err)
		}
		have, err := y.list(ctx, path+"/roles", "name")
		if err != nil {
			return err
		}
		for _, want := range objects(wanted) {
			name := text(want, "name")
			if err := y.put(ctx, "role", client+": "+name, path+"/roles", url.PathEscape(name), have[name], want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (y *syncer) clientPath(client string) (string, error) {
	id := y.clients[client]
	if id == "" {
		return "", fmt.Errorf("the realm file has no client %s", client)
	}
	return "/clients/" + id, nil
}

// scopeMappings bound a scope to users who have one of its roles.
func (y *syncer) scopeMappings(ctx context.Context) error {
	byClient, _ := y.s.wanted["clientScopeMappings"].(object)
	for client, mappings := range byClient {
		for _, m := range objects(mappings) {
			scope := text(m, "clientScope")
			path := "/client-scopes/" + y.scopes[scope] + "/scope-mappings/clients/"
			if err := y.grant(ctx, "mapping", scope, path, client, texts(m["roles"])); err != nil {
				return err
			}
		}
	}
	return nil
}

// grant gives roles of a client to whatever is at a path.
func (y *syncer) grant(ctx context.Context, kind, name, path, client string, roles []string) error {
	clientPath, err := y.clientPath(client)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	path += y.clients[client]
	have, err := y.list(ctx, path, "name")
	if err != nil {
		return err
	}
	defined, err := y.list(ctx, clientPath+"/roles", "name")
	if err != nil {
		return err
	}
	var missing []object
	for _, role := range roles {
		if defined[role] == nil {
			return fmt.Errorf("%s %s: Keycloak's client %s has no role %s; add it to roles.client in the realm file", kind, name, client, role)
		}
		if have[role] == nil {
			missing = append(missing, defined[role])
		}
	}
	if len(missing) == 0 {
		y.note(kind, name+": "+client, unchanged)
		return nil
	}
	if err := y.send(ctx, http.MethodPost, path, missing); err != nil {
		return err
	}
	y.note(kind, name+": "+client, updated)
	return nil
}

// users are created with their passwords. Those that are there keep theirs: it
// can't be read, and may have been changed for a reason.
func (y *syncer) users(ctx context.Context) error {
	for _, want := range objects(y.s.wanted["users"]) {
		id, err := y.user(ctx, want)
		if err != nil {
			return err
		}
		roles, _ := want["clientRoles"].(object)
		for client, names := range roles {
			path := "/users/" + id + "/role-mappings/clients/"
			if err := y.grant(ctx, "roles", text(want, "username"), path, client, texts(names)); err != nil {
				return err
			}
		}
	}
	return nil
}

// user makes one user, and returns Keycloak's id of it. The account of a client
// comes with the client.
func (y *syncer) user(ctx context.Context, want object) (string, error) {
	name := strings.ToLower(text(want, "username"))
	if client := text(want, "serviceAccountClientId"); client != "" {
		path, err := y.clientPath(client)
		if err != nil {
			return "", fmt.Errorf("user %s: %w", name, err)
		}
		var account object
		err = y.get(ctx, path+"/service-account-user", &account)
		return text(account, "id"), err
	}
	got, err := y.find(ctx, "/users?exact=true&", "username", name)
	if err != nil {
		return "", err
	}
	own := without(want, "clientRoles")
	if got != nil {
		own = without(own, "id", "credentials")
	}
	if err := y.put(ctx, "user", name, "/users", text(got, "id"), got, own); err != nil {
		return "", err
	}
	if got == nil {
		got, err = y.find(ctx, "/users?exact=true&", "username", name)
	}
	return text(got, "id"), err
}
