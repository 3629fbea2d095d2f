package realm

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

const registrationPolicies = "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy"

// registration reads the policies for clients that register without being
// known. Those that the embedded server follows anyway, it need not read.
func (f *realmFile) registration() (r Registration, err error) {
	for _, c := range f.Components[registrationPolicies] {
		if c.SubType != "anonymous" {
			continue
		}
		switch c.Provider {
		case "trusted-hosts":
			if slices.Contains(c.Config["host-sending-registration-request-must-match"], "true") {
				return r, errors.New("components: trusted-hosts: host-sending-registration-request-must-match: " +
					"the embedded server does not look up the names of its callers; bind it to loopback instead")
			}
			if slices.Contains(c.Config["client-uris-must-match"], "true") {
				r.Hosts = append([]string{}, c.Config["trusted-hosts"]...)
			}
		case "allowed-client-templates":
			r.Scopes = append([]string{}, c.Config["allowed-client-scopes"]...)
		case "max-clients":
			if r.Max, err = strconv.Atoi(first(c.Config["max-clients"])); err != nil {
				return r, fmt.Errorf("components: max-clients: %w", err)
			}
		case "consent-required", "scope", "allowed-protocol-mappers", "registration-web-origins":
		default:
			return r, fmt.Errorf("components: the embedded server does not know the registration policy %s", c.Provider)
		}
	}
	return r, nil
}

// documents reads the client policies. Executors that ask for what every
// client here must do anyway need no reading; others are refused by name.
func (f *realmFile) documents() (*Documents, error) {
	var documents *Documents
	for _, policy := range f.ClientPolicies.Policies {
		if policy.Enabled != nil && !*policy.Enabled {
			continue
		}
		for _, profile := range f.ClientProfiles.Profiles {
			if !slices.Contains(policy.Profiles, profile.Name) {
				continue
			}
			for _, e := range profile.Executors {
				switch e.Executor {
				case "pkce-enforcer", "reject-implicit-grant", "secure-redirect-uris-enforcer", "consent-required", "full-scope-disabled":
				case "reject-ropc-grant":
					// Clients that register never get it. Others have a switch.
					if policy.isForAll() {
						return nil, fmt.Errorf("clientPolicies: %s: reject-ropc-grant for all clients: set their directAccessGrantsEnabled to false instead", policy.Name)
					}
				case "client-id-metadata-document":
					var err error
					if documents, err = documentPolicy(e.Configuration); err != nil {
						return nil, err
					}
				default:
					return nil, fmt.Errorf("clientProfiles: %s: the embedded server does not know the executor %s", profile.Name, e.Executor)
				}
			}
		}
	}
	return documents, nil
}

func (p policyFile) isForAll() bool {
	for _, c := range p.Conditions {
		if c.Condition == "any-client" {
			return true
		}
	}
	return false
}

func documentPolicy(configuration map[string]any) (*Documents, error) {
	for _, name := range []string{"cimd-restrict-same-domain", "only-allow-confidential-client"} {
		if configuration[name] == true {
			return nil, fmt.Errorf("clientProfiles: client-id-metadata-document: the embedded server does not support %s", name)
		}
	}
	if required, _ := configuration["cimd-required-properties"].([]any); len(required) > 0 {
		return nil, errors.New("clientProfiles: client-id-metadata-document: the embedded server does not support cimd-required-properties")
	}
	documents := &Documents{}
	hosts, _ := configuration["cimd-allow-permitted-domains"].([]any)
	for _, host := range hosts {
		if name, ok := host.(string); ok {
			documents.Hosts = append(documents.Hosts, name)
		}
	}
	return documents, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
