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
	"internal/authserver/upstream": {
		"Provider.checkDates: case !hasExpiry || !hasIssue": "a date that is missing is the zero time, which the other checks refuse",
		"Provider.verify: if err != nil #3":                 "without claims, the check of the issuer refuses the token",
		"Settings.public: || err != nil":                    checked,
		"Provider.endpoints: if err != nil":                 "without members there is no endpoint, which is refused too",
		"Provider.exchange: if err != nil #2":               "the URL was parsed, and the method is a constant",
		"Provider.exchange: if err != nil #4":               "without members there is no ID token, which is refused too",
	},
	"internal/oauth/accesstoken": {
		"examination.undecided: if !errors.As(err, &stale) || e.readClaims() != nil": "claims that were not read have no iat, so the error is returned all the same",
	},
	"internal/oauth/issuerkeys": {
		"wellKnown: if err != nil":                 checked,
		"Reader.get: if err != nil":                checked,
		"start: defer cancel()":                    "the context ends by its own timer as well",
		"Source.keepFresh: defer close(s.stopped)": "it frees callers that wait while the program ends",
	},
}
