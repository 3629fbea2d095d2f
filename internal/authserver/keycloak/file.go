package keycloak

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
	keycloakrealm "mcp-auth-step-by-step/keycloak"
)

// object is a JSON object. Keycloak's representations are handled as such:
// what this package doesn't know is passed on as it stands in the file.
type object = map[string]any

// file is a realm file, filled in for one Keycloak: as it is told to Keycloak,
// and as the embedded server reads it.
type file struct {
	wanted object
	realm  *realm.Realm
}

// readFile reads the realm file of the options and fills in their resource and
// realm name.
func readFile(o Options) (file, error) {
	text, name := keycloakrealm.File, "the demo realm"
	if o.RealmFile != "" {
		var err error
		if text, err = os.ReadFile(o.RealmFile); err != nil {
			return file{}, fmt.Errorf("the realm file can't be read: %w", err)
		}
		name = o.RealmFile
	}
	expanded, err := realm.Expand(text, o.variable)
	if err != nil {
		return file{}, fmt.Errorf("%s is no JSON: %w", name, err)
	}
	var f file
	if err := json.Unmarshal(expanded, &f.wanted); err != nil {
		return file{}, fmt.Errorf("%s is no JSON object: %w", name, err)
	}
	if realmName := cmp.Or(o.Realm, o.Getenv("KEYCLOAK_REALM")); realmName != "" {
		f.wanted["realm"] = realmName
	}
	renamed, err := json.Marshal(f.wanted)
	if err != nil {
		return file{}, err
	}
	if f.realm, err = realm.Parse(renamed, func(string) (string, bool) { return "", false }); err != nil {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// variable is what a placeholder of the realm file stands for.
func (o Options) variable(name string) (string, bool) {
	value := o.Getenv(name)
	if name == "MCP_RESOURCE" {
		if base := o.Getenv("MCP_SERVER_URL"); value == "" && base != "" {
			value = strings.TrimSuffix(base, "/") + "/mcp"
		}
		value = cmp.Or(o.Resource, value)
	}
	return value, value != ""
}

// refuseDemo refuses what everybody can read in the demo realm, for a Keycloak
// that others can reach.
func (f file) refuseDemo() error {
	demo, err := readFile(Options{Getenv: func(string) string { return "" }})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, u := range demo.realm.Users {
		known[u.Password] = u.Password != ""
	}
	for _, c := range demo.realm.Clients {
		known[c.Secret] = c.Secret != ""
	}
	for _, u := range f.realm.Users {
		if known[u.Password] {
			return fmt.Errorf("user %s has a demo password, which everybody knows: others can reach this Keycloak, so give --realm-file a file with passwords of your own", u.Username)
		}
	}
	for _, c := range f.realm.Clients {
		if known[c.Secret] {
			return fmt.Errorf("client %s has the demo secret, which everybody knows: others can reach this Keycloak, so set ECHO_MCP_SERVER_SECRET or give --realm-file a file of your own", c.ID)
		}
	}
	return nil
}

// objects are the objects in a list of the realm file.
func objects(list any) []object {
	var found []object
	values, _ := list.([]any)
	for _, value := range values {
		if o, ok := value.(object); ok {
			found = append(found, o)
		}
	}
	return found
}

// texts are the strings in a list of the realm file.
func texts(list any) []string {
	var found []string
	values, _ := list.([]any)
	for _, value := range values {
		if s, ok := value.(string); ok {
			found = append(found, s)
		}
	}
	return found
}

// text is a string member of an object, or empty.
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// without is a copy of an object that lacks some members.
func without(o object, names ...string) object {
	rest := object{}
	for name, value := range o {
		rest[name] = value
	}
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}
