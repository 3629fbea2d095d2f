package mutation

const (
	storeFails = "only a failing store makes this error, and its next write in the same transaction fails too (G12)"
	checked    = "the URL was parsed before: CheckURL refuses one that is not a URL"
)

// survivors are the statements that no test misses, with the reason, by package.
var survivors = map[string]map[string]string{
	"internal/authserver": {
		"grants.issueCode: if err != nil":  storeFails,
		"grants.start: if err != nil":      storeFails,
		"grants.refresh: if err != nil #4": storeFails,
	},
	"internal/oauth/issuerkeys": {
		"wellKnown: if err != nil":                 checked,
		"Reader.get: if err != nil":                checked,
		"start: defer cancel()":                    "the context ends by its own timer as well",
		"Source.keepFresh: defer close(s.stopped)": "it frees callers that wait while the program ends",
	},
}
