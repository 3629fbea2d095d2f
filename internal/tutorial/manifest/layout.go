package manifest

// Folder is a folder of internal/: a part of the architecture.
type Folder struct {
	Name  string
	Holds string // a sentence
	// MayUse are the folders whose packages its own may depend on.
	MayUse []string
}

// shared is what all parts are built on.
var shared = []string{"oauth", "web", "localfile"}

// Folders are the parts, those first that a newcomer reads first.
var Folders = []Folder{
	{
		Name:   "mcpserver",
		Holds:  "The MCP server of steps 1–8 and 10, a package for each layer.",
		MayUse: shared,
	},
	{
		Name:   "authserver",
		Holds:  "The authorization server of step 9, and what sets up a Keycloak in its place.",
		MayUse: shared,
	},
	{
		Name:   "mcpclient",
		Holds:  "The client of step 11.",
		MayUse: shared,
	},
	{
		Name:   "oauth",
		Holds:  "What servers and client share of OAuth: keys, signatures, tokens, metadata. It knows none of the three.",
		MayUse: []string{"web", "localfile"},
	},
	{
		Name:  "web",
		Holds: "HTTP, URLs and JSON. It knows nothing of OAuth or MCP.",
	},
	{
		Name:  "localfile",
		Holds: "Files on disk.",
	},
	{
		Name:   "tutorial",
		Holds:  "What only teaches and tests. No program of steps 1–10 needs it.",
		MayUse: []string{"mcpserver", "authserver", "mcpclient", "oauth", "web", "localfile"},
	},
}

// ForTests are packages that tests of the parts use, and that stand beside them so
// that the tests can be taken along with a part. No other code of the parts and of
// steps 1–10 depends on them.
var ForTests = []string{"internal/oauth/mint", "internal/oauth/stubprovider", "internal/web/logbuffer"}
