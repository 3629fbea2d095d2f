package main

import (
	"flag"
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/localfile"
)

// Which clients the embedded server lets in, beyond what the realm file says.
// docs/clients.md has the values for well-known clients.
var (
	documentHosts = flag.String("document-hosts", "",
		"`hosts` whose client metadata documents are accepted, with commas between, such as claude.ai")
	redirectHosts = flag.String("redirect-hosts", "",
		"`hosts` to which self-registered clients may have codes sent, with commas between, such as claude.ai")
	redirectSchemes = flag.String("redirect-schemes", "",
		"app `schemes` to which self-registered clients may have codes sent, with commas between, such as cursor")
	advertise = flag.Bool("advertise-documents", false,
		"advertise client metadata documents even if only those on this machine are accepted (for tests)")
)

// keyAccess says who may read the private key.
func keyAccess() localfile.Access {
	if *access {
		return localfile.Mounted
	}
	return localfile.OwnerOnly
}

// letIn permits what the flags name.
func letIn(r *realm.Realm) error {
	for _, list := range []struct {
		flag, values string
		permit       func(string) error
	}{
		{"-document-hosts", *documentHosts, r.PermitDocuments},
		{"-redirect-hosts", *redirectHosts, r.PermitRedirects},
		{"-redirect-schemes", *redirectSchemes, r.PermitScheme},
	} {
		if list.values == "" {
			continue
		}
		for value := range strings.SplitSeq(list.values, ",") {
			if err := list.permit(strings.TrimSpace(value)); err != nil {
				return fmt.Errorf("%s: %w", list.flag, err)
			}
		}
	}
	return nil
}
