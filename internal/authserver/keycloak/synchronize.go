package keycloak

import (
	"context"
	"errors"
	"net/http"
)

// change is what was done to a part of the realm.
type change string

const (
	created   change = "created"
	updated   change = "updated"
	unchanged change = "unchanged"
)

// syncer brings one realm up to what the realm file says.
type syncer struct {
	admin
	realmID string            // Keycloak's own name of the realm
	scopes  map[string]string // ids of the client scopes by name
	clients map[string]string // ids of the clients by clientId
	counts  map[change]int
}

// synchronize imports the realm where it is missing, and otherwise updates what
// the file names.
func (s *setup) synchronize(ctx context.Context) error {
	y := &syncer{admin: admin{s: s}, scopes: map[string]string{}, clients: map[string]string{}, counts: map[change]int{}}
	var realm object
	y.get(ctx, "", &realm)
	if errors.Is(y.err, errNotFound) {
		y.err = nil
		y.call(ctx, http.MethodPost, "/admin/realms", merged(s.wanted, y.wantedSettings()), nil)
		if y.err == nil {
			s.printf("realm      %-40s %s\n", s.realm.Name, created)
		}
		return y.err
	}
	y.realmID = text(realm, "id")
	y.settings(ctx, realm)
	for _, part := range []func(context.Context){
		y.clientScopes, y.defaultScopes, y.allClients, y.roles, y.scopeMappings, y.users, y.components, y.policies,
	} {
		part(ctx)
	}
	if y.err == nil {
		s.printf("realm      %-40s %d created, %d updated, %d unchanged\n",
			s.realm.Name, y.counts[created], y.counts[updated], y.counts[unchanged])
	}
	return y.err
}

// note counts a change that didn't fail, and tells of it unless it is none.
func (y *syncer) note(kind, name string, c change) {
	if y.err != nil {
		return
	}
	y.counts[c]++
	if c != unchanged {
		y.s.printf("%-10s %-40s %s\n", kind, name, c)
	}
}

// put makes one part what the file says: got is what Keycloak has of it, nil
// where it has none. Parts are created at a path and updated below it.
func (y *syncer) put(ctx context.Context, kind, name, path, id string, got, want object) {
	switch {
	case got == nil:
		y.send(ctx, http.MethodPost, path, want)
		y.note(kind, name, created)
	case !has(got, want):
		y.send(ctx, http.MethodPut, path+"/"+id, merged(got, want))
		y.note(kind, name, updated)
	default:
		y.note(kind, name, unchanged)
	}
}

// wantedSettings are the realm's own members in the file, and the address that
// a proxy gives it: frontendUrl is in the issuer whatever a request's Host
// or X-Forwarded headers say.
func (y *syncer) wantedSettings() object {
	want := object{}
	for name, value := range y.s.wanted {
		switch value.(type) {
		case string, bool, float64:
			want[name] = value
		}
	}
	attributes, _ := y.s.wanted["attributes"].(object)
	frontend := ""
	if y.s.public != y.s.url {
		frontend = y.s.public
	}
	want["attributes"] = merged(object{"frontendUrl": frontend}, attributes)
	return want
}

func (y *syncer) settings(ctx context.Context, got object) {
	want := y.wantedSettings()
	if has(got, want) {
		y.note("settings", y.s.realm.Name, unchanged)
		return
	}
	y.send(ctx, http.MethodPut, "", want)
	y.note("settings", y.s.realm.Name, updated)
}

func (y *syncer) clientScopes(ctx context.Context) {
	have := y.list(ctx, "/client-scopes", "name")
	for _, want := range objects(y.s.wanted["clientScopes"]) {
		name := text(want, "name")
		got := have[name]
		y.put(ctx, "scope", name, "/client-scopes", text(got, "id"), got, without(want, "protocolMappers"))
	}
	have = y.list(ctx, "/client-scopes", "name")
	for name, scope := range have {
		y.scopes[name] = text(scope, "id")
	}
	for _, want := range objects(y.s.wanted["clientScopes"]) {
		y.mappers(ctx, have[text(want, "name")], objects(want["protocolMappers"]))
	}
}

func (y *syncer) mappers(ctx context.Context, scope object, wanted []object) {
	have := indexed(objects(scope["protocolMappers"]), "name")
	for _, want := range wanted {
		got := have[text(want, "name")]
		path := "/client-scopes/" + text(scope, "id") + "/protocol-mappers/models"
		y.put(ctx, "mapper", text(scope, "name")+": "+text(want, "name"), path, text(got, "id"), got, want)
	}
}

// defaultScopes are those that clients get which register themselves.
func (y *syncer) defaultScopes(ctx context.Context) {
	y.assign(ctx, "realm", "/default-default-client-scopes", "/default-optional-client-scopes",
		texts(y.s.wanted["defaultDefaultClientScopes"]), texts(y.s.wanted["defaultOptionalClientScopes"]))
}

// assign puts scopes on the list of default and of optional ones. A scope is on
// one of them only, so it is taken from the other first.
func (y *syncer) assign(ctx context.Context, owner, defaults, optionals string, wantDefault, wantOptional []string) {
	onDefault, onOptional := y.list(ctx, defaults, "name"), y.list(ctx, optionals, "name")
	move := func(names []string, to string, have map[string]object, from string, other map[string]object) {
		for _, name := range names {
			if have[name] != nil {
				y.note("assignment", owner+": "+name, unchanged)
				continue
			}
			if other[name] != nil {
				y.send(ctx, http.MethodDelete, from+"/"+y.scopes[name], nil)
			}
			y.send(ctx, http.MethodPut, to+"/"+y.scopes[name], nil)
			y.note("assignment", owner+": "+name, updated)
		}
	}
	move(wantDefault, defaults, onDefault, optionals, onOptional)
	move(wantOptional, optionals, onOptional, defaults, onDefault)
}
