package keycloak

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// components are the policies for clients that register themselves, and
// whatever else the file has under that name.
func (y *syncer) components(ctx context.Context) {
	all, _ := y.s.wanted["components"].(object)
	for kind, wanted := range all {
		var have []object
		y.get(ctx, "/components?type="+url.QueryEscape(kind), &have)
		for _, want := range objects(wanted) {
			var got object
			if at := slices.IndexFunc(have, func(o object) bool {
				return text(o, "providerId") == text(want, "providerId") && text(o, "subType") == text(want, "subType")
			}); at >= 0 {
				got = have[at]
			}
			own := merged(want, object{"providerType": kind, "parentId": y.realmID})
			y.put(ctx, "policy", text(want, "name"), "/components", text(got, "id"), got, own)
		}
	}
}

// policies are what is asked of clients at work: profiles and the policies that
// refer to them. Keycloak takes each kind as a whole, so that those of others
// are read and sent back.
func (y *syncer) policies(ctx context.Context) {
	y.policyList(ctx, "clientProfiles", "profiles")
	y.policyList(ctx, "clientPolicies", "policies")
}

func (y *syncer) policyList(ctx context.Context, member, path string) {
	wanted, _ := y.s.wanted[member].(object)
	var have object
	y.get(ctx, "/client-policies/"+path, &have)
	list := objects(have[path])
	changed := false
	for _, want := range objects(wanted[path]) {
		name := text(want, "name")
		at := slices.IndexFunc(list, func(o object) bool { return text(o, "name") == name })
		switch {
		case at < 0:
			list = append(list, want)
			y.note(path, name, created)
			changed = true
		case !has(list[at], want):
			list[at] = merged(list[at], want)
			y.note(path, name, updated)
			changed = true
		default:
			y.note(path, name, unchanged)
		}
	}
	if changed {
		y.send(ctx, http.MethodPut, "/client-policies/"+path, object{path: list})
	}
}

// documentExecutor and its condition exist only in a Keycloak whose feature cimd
// is on.
const documentExecutor = "client-id-metadata-document"

// fitFeatures takes the policy for client metadata documents out of what will be
// sent to a Keycloak that doesn't support them: it would refuse the whole realm.
func (s *setup) fitFeatures(ctx context.Context) error {
	var master struct {
		Documents bool `json:"client_id_metadata_document_supported"`
	}
	if err := s.getJSON(ctx, s.url+"/realms/master/.well-known/openid-configuration", &master); err != nil {
		return err
	}
	if master.Documents || s.realm.Documents == nil {
		return nil
	}
	profiles, _ := s.wanted["clientProfiles"].(object)
	var dropped []string
	profiles["profiles"] = slices.DeleteFunc(realm.Values[any](profiles["profiles"]), func(profile any) bool {
		p, _ := profile.(object)
		drop := slices.ContainsFunc(objects(p["executors"]), func(e object) bool { return text(e, "executor") == documentExecutor })
		if drop {
			dropped = append(dropped, text(p, "name"))
		}
		return drop
	})
	policies, _ := s.wanted["clientPolicies"].(object)
	policies["policies"] = slices.DeleteFunc(realm.Values[any](policies["policies"]), func(policy any) bool {
		p, _ := policy.(object)
		return slices.ContainsFunc(texts(p["profiles"]), func(name string) bool { return slices.Contains(dropped, name) })
	})
	s.printf("documents  %-40s %s\n", "client metadata documents", "are off: this Keycloak runs without the feature cimd")
	return nil
}
