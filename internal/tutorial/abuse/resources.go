package abuse

import (
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
	"mcp-auth-step-by-step/internal/tutorial/recorded"
	"mcp-auth-step-by-step/internal/web/serve"
)

// Resource is something of which callers can make a server keep some, or compute or
// fetch some at a time.
type Resource struct {
	ID     string
	What   string
	Each   string // who may use how much
	Beyond string // what becomes of more
	Units  int    // at the limit, of both servers together
}

// resources are all of them. The numbers are those of the code.
func resources() []Resource {
	l, s := authserver.DefaultLimits(), serve.DefaultLimits
	of := fmt.Sprintf
	return []Resource{
		{"logins", "login pages that wait for a user",
			of("an address %d, all %d", l.InteractionsPerAddress, l.Interactions), "its oldest page goes: 403", l.Interactions},
		{"decisions", "consent pages that wait for a user",
			of("a user %d, all %d", authserver.DecisionsPerUser, l.Decisions), "the user's oldest page goes: 403", l.Decisions},
		{"sessions", "sessions", of("a user %d, all %d", authserver.SessionsPerUser, l.Grants), "the user's oldest session ends", l.Grants},
		{"codes", "codes", of("a user %d, all %d", authserver.CodesPerUser, l.Codes),
			"the user's oldest code goes: 400 `invalid_grant`", l.Codes},
		{"families", "grants: the tokens of a login", of("a user %d, all %d", authserver.FamiliesPerUser, l.Grants),
			"the user's oldest grant ends: 400 `invalid_grant`", l.Grants},
		{"consents", "consents that are remembered", of("a user %d, all %d", authserver.ConsentsPerUser, l.Grants),
			"the user is asked again", l.Grants},
		{"revoked", "access tokens that were revoked", of("a client %d, all %d", authserver.RevokedPerClient, l.Grants),
			"503 `temporarily_unavailable`: none is forgotten", l.Grants},
		{"clients", "registrations",
			of("an address %d, all %d; an address one a second, after %d", l.ClientsPerAddress, l.Clients, l.Registrations),
			"its oldest unused one goes; 429", l.Clients},
		{"documents", "client documents", of("all %d", clientmetadata.MaxDocuments), "the oldest of the host with the most goes",
			clientmetadata.MaxDocuments},
		{"fetches", "client documents that are fetched at a time", of("an address %d, from a host %d, all %d", clientmetadata.FetchesOfCaller,
			clientmetadata.FetchesFromHost, clientmetadata.Fetches), "400, and the page says when to try again", clientmetadata.Fetches},
		{"assertions", "client assertions that were used", of("a client %d, all %d", clientassertion.PerClient, clientassertion.Memory),
			"401 `invalid_client`", clientassertion.Memory},
		{"hashes", "passwords that are checked at a time", of("all %d, guesses %d", authserver.HashesAtOnce, authserver.HashesAtOnce/2),
			of("%d wait; beyond them 503", authserver.HashQueue), authserver.HashesAtOnce},
		{"tries", "failed logins, client secrets and registrations", of("of passwords in a row: an address %d, a user there %d, a user %d; "+
			"of secrets: a client at an address %d; each limit remembers %d", l.AddressTries, l.UserTries, l.UserTriesFromAll, l.UserTries,
			authserver.LimitedKeys), "429", 6 * authserver.LimitedKeys},
		{"familiar", "addresses from which users have logged in",
			of("a user %d, all %d", authserver.AddressesPerUser, authserver.FamiliarAddresses),
			"the user's oldest one counts as new", authserver.FamiliarAddresses},
		{"audit", "audit records", of("a user %d allowed and %d refused ones, all %d", AuditRecords/5, AuditRecords/5, AuditRecords),
			"the user's oldest one goes", AuditRecords},
		{"keys", "an issuer's keys and metadata", of("%d kB each, one fetch at a time", issuerkeys.MaxDocument>>10),
			"the last good ones stay", 2},
		{"answers", "decisions about tokens", of("all %d; of opaque tokens a user of a client %d, all %d, refusals %d", tokencache.Size,
			introspection.PerUser, introspection.Accepted, introspection.Refused), "the token is checked anew",
			tokencache.Size + introspection.Accepted + introspection.Refused},
		{"connections", "connections, each with a header of " + of("%d kB and a body of %d kB", s.Header>>10, serve.BodyBlock>>10),
			of("an address %d, a server %d", s.ConnectionsPerAddress, s.Connections), "the oldest one that is idle or slow is closed",
			2 * s.Connections},
		{"bodies", of("larger bodies of step 10, by blocks of %d kB", serve.BodyBlock>>10),
			of("a body %d kB, an address %d kB, a server %d kB", s.Body>>10, s.BodiesPerAddress>>10, s.Bodies>>10),
			"413; the oldest connection that is slow is closed", s.Bodies / serve.BodyBlock},
		{"forms", "the same of step 9, where it reads forms", "the same, and a form 64 kB", "the same", s.Bodies / serve.BodyBlock},
		{"programs", "the programs themselves, without load", "", "", 2},
	}
}

// AuditRecords is how many the programs of steps 8 and 10 keep.
const AuditRecords = 100

// Costs is a recorded measurement: what a unit of each resource takes, in bytes.
type Costs struct {
	Machine Machine        `json:"machine"`
	Bytes   map[string]int `json:"bytes"`
}

const costsFile = "costs.json"

// ReadCosts reads the recorded measurement.
func ReadCosts(root string) (Costs, error) { return recorded.Read[Costs](file(root, costsFile)) }

// Sum is what all resources take at their limits, in bytes.
func (c Costs) Sum() (sum int) {
	for _, r := range resources() {
		sum += r.Units * c.Bytes[r.ID]
	}
	return sum
}

// CostTable shows every resource, and what it takes at its limit.
func CostTable(root string) (string, error) {
	costs, err := ReadCosts(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| of what | who may use how much | what becomes of more | at the limit | memory |\n|---|---|---|---|---|\n")
	for _, r := range resources() {
		unit := costs.Bytes[r.ID]
		fmt.Fprintf(&b, "| %s | %s | %s | %d × %s | %.1f MB |\n", r.What, r.Each, r.Beyond, r.Units, size(unit), megabytes(r.Units*unit))
	}
	fmt.Fprintf(&b, "| all | | less than %d MB | | %.0f MB |\n\nMeasured on %s.\n", MaxMemory>>20, megabytes(costs.Sum()), costs.Machine)
	return b.String(), nil
}

func megabytes(bytes int) float64 { return float64(bytes) / (1 << 20) }

// size writes a number of bytes with the digits that say something.
func size(bytes int) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.1f kB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", megabytes(bytes))
}
