package adopt

import (
	"fmt"
	"slices"
	"strings"
)

// Layer is a part of the steps that can be taken along by its name.
type Layer struct {
	Name     string
	About    string   // what it does, for -h
	Packages []string // below internal/
	Needs    []string // layers that come with it
	For      string   // the only MCP library that it is for; empty: all
	Optional bool     // taken along only where it is named
}

// Layers are what can be taken along, those first that a request meets last.
var Layers = []Layer{
	{Name: "provider", About: "the keys of the authorization server, found by discovery and kept fresh",
		Packages: []string{"mcpserver/health", "oauth/issuerkeys"}},
	{Name: "token", About: "an access token for every request, from one issuer and for this server alone", Needs: []string{"provider"},
		Packages: []string{"oauth/accesstoken", "oauth/bearerauth", "oauth/principal"}},
	{Name: "cache", About: "the tokens that were accepted, so that each signature is computed once", Optional: true, Needs: []string{"token"},
		Packages: []string{"oauth/tokencache"}},
	{Name: "metadata", About: "the document by which clients find the authorization server", Needs: []string{"token"},
		Packages: []string{"oauth/oauthmetadata"}},
	{Name: "scopes", About: "what each tool and resource needs of the client and its user", Needs: []string{"token"},
		Packages: []string{"mcpserver/scopepolicy", "mcpserver/mcpmessage"}},
	{Name: "origin", About: "no requests of foreign web pages; answers for pages that are allowed",
		Packages: []string{"mcpserver/originguard", "web/cors"}},
	{Name: "serve", About: "listener, limits, logs and a graceful end", Optional: true,
		Packages: []string{"web/serve"}},
	{Name: "env", About: "settings from a file and the environment, as in step 10", Optional: true, Needs: []string{"provider", "serve"},
		Packages: []string{"mcpserver/envfile"}},
	{Name: "endpoint", About: "mcp-go without sessions and streams, fed with messages that were written anew", Optional: true, For: "mcp-go",
		Packages: []string{"mcpserver/mcpendpoint"}},
	{Name: "audit", About: "the last decisions, for administrators to read by a tool", Optional: true, For: "mcp-go",
		Needs: []string{"scopes", "endpoint"}, Packages: []string{"mcpserver/auditlog"}},
}

// Libraries are the MCP libraries that the layers can be taken along for; http
// stands for any, also in another program behind a reverse proxy.
var Libraries = []string{"mcp-go", "go-sdk", "http"}

// Default are the names of the layers that are taken along where none is named.
func Default() []string {
	var names []string
	for _, layer := range Layers {
		if !layer.Optional {
			names = append(names, layer.Name)
		}
	}
	return names
}

// choose returns the layers that are named and those that they need, in the order
// of [Layers].
func choose(names []string, library string) ([]Layer, error) {
	if !slices.Contains(Libraries, library) {
		return nil, fmt.Errorf("-for %q: want one of %s", library, strings.Join(Libraries, ", "))
	}
	wanted := map[string]bool{}
	for todo := slices.Clone(names); len(todo) > 0; todo = todo[1:] {
		i := slices.IndexFunc(Layers, func(l Layer) bool { return l.Name == todo[0] })
		switch {
		case i < 0:
			return nil, fmt.Errorf("-layers: %q is not a layer; see adopt -h", todo[0])
		case Layers[i].For != "" && Layers[i].For != library:
			return nil, fmt.Errorf("-layers: %q needs -for %s", todo[0], Layers[i].For)
		case !wanted[todo[0]]:
			wanted[todo[0]] = true
			todo = append(todo, Layers[i].Needs...)
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("-layers names no layer; see adopt -h")
	}
	return slices.DeleteFunc(slices.Clone(Layers), func(l Layer) bool { return !wanted[l.Name] }), nil
}
