// Command step9 issues the tokens that the steps before made by hand.
//
// It is an authorization server: users log in on its pages and allow a client
// to act for them; the client gets a code, and for the code an access token
// that is meant for one MCP server and lives for minutes. Clients find all of
// it from the metadata, and register by themselves. Clients, scopes and users
// come from a realm file of Keycloak, at whose paths it answers too; so that
// with --provider keycloak a real one takes its place.
//
// Try it:
//
//	curl -i http://localhost:8080/.well-known/oauth-authorization-server/realms/mcp-realm
//
// The lesson is docs/step9.md; bash scripts/test_step9.sh shows it scene by scene.
package main

import (
	"context"
	_ "embed"
	"flag"
	"net/http"
	"os"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/serve"
)

//go:embed main.go
var source string

var (
	realmFile = flag.String("realm-file", "", "realm `file` of Keycloak with clients, scopes and users (default the demo realm)")
	resource  = flag.String("resource", "", "`URL` of the MCP server that tokens are for (default the audience in the realm file)")
	proxy     = flag.String("proxy", "", "`address` at which to start a reverse proxy, such as localhost:9090, which is then the issuer")

	// of the embedded server
	keyDir = flag.String("keys", "keys/authorization-server", "`folder` of the embedded server's key pair, created on first use")
	access = flag.Bool("mounted-keys", false, "accept a private key that its group can read, and symbolic links: "+
		"as container platforms mount secrets")
	state = flag.String("state", "", "`file` in which the embedded server keeps registrations, refresh tokens and consents (default memory)")

	// of Keycloak
	provider      = flag.String("provider", "embedded", "`who` issues tokens: embedded or keycloak")
	check         = flag.Bool("check", false, "with --provider keycloak: verify the realm and change nothing")
	adminUser     = flag.String("admin-user", "", "`name` of Keycloak's administrator (default $KC_BOOTSTRAP_ADMIN_USERNAME)")
	adminPassword = flag.String("admin-password", "", "`password` of Keycloak's administrator; other users of this machine can see it, "+
		"so prefer the default, $KC_BOOTSTRAP_ADMIN_PASSWORD")
)

func main() {
	serve.Program{Source: source, Addr: "localhost:8080", Build: newHandler, Instead: useKeycloak}.Main()
}

// newHandler is the embedded authorization server.
func newHandler(ctx context.Context, site serve.Site) (http.Handler, error) {
	r, err := realm.Load(*realmFile, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if err := letIn(r); err != nil {
		return nil, err
	}
	front, err := inFront(ctx, site, r.Name)
	if err != nil {
		return nil, err
	}
	config := authserver.Config{
		Issuer:        front.URL + "/realms/" + r.Name,
		Realm:         r,
		Resource:      *resource,
		Exposed:       site.Exposed || front.Exposed,
		Hosts:         site.Hosts(),
		ClientAddress: front.clientAddress,

		AdvertiseDocuments: *advertise,
	}
	if *advertise {
		site.Log.Warn("client metadata documents are advertised: clients with documents on hosts that -document-hosts does not name will fail")
	}
	if config.Keys, err = authserver.OpenKeyRing(*keyDir, keyAccess()); err != nil {
		return nil, err
	}
	if *state != "" {
		if config.Store, err = store.Open(*state); err != nil {
			return nil, err
		}
	}
	if err := letLogInElsewhere(ctx, &config); err != nil {
		return nil, err
	}
	server, err := authserver.New(config)
	if err != nil {
		return nil, err
	}
	welcome(os.Stdout, config.Issuer, *state, config.Realm)
	return server, nil
}
