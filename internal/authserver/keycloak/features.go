package keycloak

import (
	"context"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

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
