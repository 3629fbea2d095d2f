package keycloak

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// components are the policies for clients that register themselves, and
// whatever else the file has under that name.
func (y *syncer) components(ctx context.Context) error {
	all, _ := y.s.wanted["components"].(object)
	for kind, wanted := range all {
		var have []object
		if err := y.get(ctx, "/components?type="+url.QueryEscape(kind), &have); err != nil {
			return err
		}
		for _, want := range objects(wanted) {
			var got object
			if at := slices.IndexFunc(have, func(o object) bool {
				return text(o, "providerId") == text(want, "providerId") && text(o, "subType") == text(want, "subType")
			}); at >= 0 {
				got = have[at]
			}
			own := merged(want, object{"providerType": kind, "parentId": y.realmID})
			if err := y.put(ctx, "policy", text(want, "name"), "/components", text(got, "id"), got, own); err != nil {
				return err
			}
		}
	}
	return nil
}

// policies are what is asked of clients at work: profiles and the policies that
// refer to them. Keycloak takes each kind as a whole, so that those of others
// are read and sent back.
func (y *syncer) policies(ctx context.Context) error {
	if err := y.policyList(ctx, "clientProfiles", "profiles"); err != nil {
		return err
	}
	return y.policyList(ctx, "clientPolicies", "policies")
}

func (y *syncer) policyList(ctx context.Context, member, path string) error {
	wanted, _ := y.s.wanted[member].(object)
	var have object
	if err := y.get(ctx, "/client-policies/"+path, &have); err != nil {
		return err
	}
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
	if !changed {
		return nil
	}
	return y.send(ctx, http.MethodPut, "/client-policies/"+path, object{path: list})
}
