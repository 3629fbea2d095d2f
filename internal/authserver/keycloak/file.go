package keycloak

import (
	"cmp"
	"maps"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// object is a JSON object. Keycloak's representations are handled as such:
// what this package doesn't know is passed on as it stands in the file.
type object = map[string]any

// readFile reads the realm file of the options with their resource and realm
// name: what Keycloak is sent, and how the embedded server would read it.
func readFile(o Options) (wanted object, r *realm.Realm, err error) {
	file, err := realm.Open(o.RealmFile, o.variable)
	if err != nil {
		return nil, nil, err
	}
	if name := o.Getenv("KEYCLOAK_REALM"); name != "" {
		file.Members["realm"] = name
	}
	r, err = file.Realm()
	return file.Members, r, err
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

// objects and texts are the values of one kind in a list of the realm file.
var (
	objects = realm.Values[object]
	texts   = realm.Values[string]
)

// text is a string member of an object, or empty.
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// without is a copy of an object that lacks some members.
func without(o object, names ...string) object {
	rest := object{}
	maps.Copy(rest, o)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}
