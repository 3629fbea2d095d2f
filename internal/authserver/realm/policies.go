package realm

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/web/loopback"
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

// policies reads the client policies. Executors that ask for what every client
// here must do anyway need no reading; others are refused by name.
func (f *realmFile) policies(r *Realm) error {
	for _, policy := range f.ClientPolicies.Policies {
		if policy.Enabled != nil && !*policy.Enabled {
			continue
		}
		for _, profile := range f.ClientProfiles.Profiles {
			if !slices.Contains(policy.Profiles, profile.Name) {
				continue
			}
			for _, e := range profile.Executors {
				if err := policy.apply(e, r); err != nil {
					return fmt.Errorf("clientProfiles: %s: %s: %w", profile.Name, e.Executor, err)
				}
			}
		}
	}
	return nil
}

// apply reads one executor of a policy.
func (p policyFile) apply(e executorFile, r *Realm) (err error) {
	switch e.Executor {
	case "pkce-enforcer", "reject-implicit-grant", "consent-required", "full-scope-disabled":
	case "secure-redirect-uris-enforcer":
		r.Registration.Hosts, err = redirectHosts(r.Registration.Hosts, Values[string](e.Configuration["allow-permitted-domains"]))
	case "reject-ropc-grant":
		// Clients that register never get it. Others have a switch.
		if p.isForAll() {
			return errors.New("the embedded server can't take the password grant from all clients: " +
				"set their directAccessGrantsEnabled to false instead")
		}
	case "client-id-metadata-document":
		r.Documents, err = documentPolicy(e.Configuration, p.documentHosts())
	default:
		return errors.New("the embedded server does not know this executor")
	}
	return err
}

func (p policyFile) isForAll() bool {
	return slices.ContainsFunc(p.Conditions, func(c conditionFile) bool { return c.Condition == "any-client" })
}

// documentHosts are those of the condition client-id-uri; nil: any.
func (p policyFile) documentHosts() []string {
	for _, c := range p.Conditions {
		if c.Condition == "client-id-uri" {
			return Values[string](c.Configuration["client-id-uri-allow-permitted-domains"])
		}
	}
	return nil
}

// redirectHosts are the trusted hosts to which codes may be sent. Keycloak
// takes domains for regular expressions, and asks about this machine's names
// elsewhere. Here a domain is a name, whose dots may have a backslash.
func redirectHosts(trusted, domains []string) ([]string, error) {
	if len(domains) == 0 {
		return trusted, nil
	}
	var names []string
	for _, domain := range domains {
		name := strings.ReplaceAll(domain, `\.`, ".")
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			return nil, fmt.Errorf("allow-permitted-domains: %.100q is not a name: name each host, with a backslash before each dot", domain)
		}
		names = append(names, name)
	}
	if trusted == nil {
		return append(names, "localhost", "127.0.0.1", "[::1]"), nil
	}
	return slices.DeleteFunc(slices.Clone(trusted), func(host string) bool {
		return !loopback.Host(strings.Trim(host, "[]")) && !slices.Contains(names, host)
	}), nil
}

// documentPolicy reads the executor for metadata documents. hosts are those to
// which its policy is confined; nil: any.
func documentPolicy(configuration map[string]any, hosts []string) (*Documents, error) {
	for _, name := range []string{"cimd-restrict-same-domain", "only-allow-confidential-client"} {
		if configuration[name] == true {
			return nil, fmt.Errorf("the embedded server does not support %s", name)
		}
	}
	if len(Values[string](configuration["cimd-required-properties"])) > 0 {
		return nil, errors.New("the embedded server does not support cimd-required-properties")
	}
	return &Documents{Hosts: slices.DeleteFunc(Values[string](configuration["cimd-allow-permitted-domains"]), func(host string) bool {
		return hosts != nil && !slices.Contains(hosts, host)
	})}, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
