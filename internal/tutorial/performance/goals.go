package performance

import (
	"fmt"
	"slices"
	"strings"
)

// Wires are the revisions of MCP in which every server is asked.
var Wires = []string{"2025-11-25", "2026-07-28"}

// The servers that are measured side by side.
const (
	Floor      = "net/http alone"
	FloorRSA   = "net/http with golang-jwt"
	MCPGo      = "mcp-go"
	MCPGoJWT   = "mcp-go with golang-jwt"
	GoSDK      = "go-sdk"
	GoSDKJWT   = "go-sdk with its bearer middleware"
	GoSDKHeld  = "go-sdk with its bearer middleware and a token cache"
	Original   = "step 8 of the Python original"
	FastMCP    = "FastMCP with its JWT verifier"
	TypeScript = "TypeScript SDK with its bearer middleware"
)

// Step is the name of a step among them.
func Step(n int) string { return fmt.Sprintf("step %d", n) }

// Goal is a ratio of requests per second that is wanted.
type Goal struct {
	Server, Peer string
	// Want is for each of [Wires]; 0 where the peer doesn't know that one.
	Want [2]float64
	// Holds says what holds the ratio where it is below the goal, and whose that is.
	Holds string
}

// Goals are the ratios of the table.
var Goals = []Goal{
	{Step(4), MCPGo, [2]float64{0.95, 1.1}, "Ours: the strict reading, the message written anew for mcp-go, the schema " +
		"of the arguments and the request log come on top of what mcp-go does for both. " +
		"They cost more than mcp-go's own transport, which step 4 leaves out."},
	{Step(8), MCPGoJWT, [2]float64{0.90, 1.05}, "Ours, as at step 4, and the claims, the policy and the audit log. " +
		"The RSA verification is the same for both, and so brings both closer to each other."},
	{Step(8), GoSDKJWT, [2]float64{1.5, 1.8},
		"RSA's and mcp-go's: the verification costs both servers the same, so it bounds the ratio. " +
			"Most of the rest is mcp-go, which decodes a call about six times."},
	{Step(10), GoSDKHeld, [2]float64{1.9, 2.0}, "mcp-go's and net/http's: with the cache, they are most of what is left. " +
		"The peer's cache never asks again for the key, and has no bounds."},
	{Step(10), GoSDKJWT, [2]float64{2.5, 2.5},
		"mcp-go's and net/http's, as in the row above: RSA is gone from one side of this ratio."},
	{Step(10), Step(4), [2]float64{0.85, 0.85},
		"Ours: the SHA-256 of the token, the key that is asked for with each request, the policy and the audit log. " +
			"About as much is net/http's, which reads a header that is longer by the token."},
	{Step(8), FloorRSA, [2]float64{0.52, 0.42},
		"mcp-go's and ours: the floor reads no message. It finds the text in the request, and answers with a fixed form."},
	{Step(8), Original, [2]float64{5, 0},
		"Ours and mcp-go's: the original leaves most checks out, and runs `echo` itself. The RSA verification costs both the same."},
}

// goals are those whose servers are in the record. The Python original is there only
// where a clone of it was.
func (r *Record) goals() []Goal {
	return slices.DeleteFunc(slices.Clone(Goals), func(g Goal) bool { return g.Peer == Original && r.server(Original) == nil })
}

// ratios are those of a goal in one wire, round by round; none where a server was
// left out.
func (r *Record) ratios(g Goal, wire string) Series {
	a, b := r.server(g.Server), r.server(g.Peer)
	if a == nil || b == nil {
		return nil
	}
	return a.Wires[wire].PerSecond.over(b.Wires[wire].PerSecond)
}

// ratioTable shows the ratios beside their goals.
func (r *Record) ratioTable() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Recorded on %s. %d rounds of %s s for each server and revision, %d connections.\n\n",
		r.Machine, r.Rounds, significant(r.Slot), r.Connections)
	b.WriteString("| requests per second of | divided by those of | 2025-11-25 | 2026-07-28 | goal | met |\n|---|---|---|---|---|---|\n")
	for _, g := range r.goals() {
		cells := []string{g.Server, g.Peer}
		for i, wire := range Wires {
			ratios := r.ratios(g, wire)
			switch {
			case g.Want[i] == 0:
				cells = append(cells, "–")
			case len(ratios) == 0:
				return "", fmt.Errorf("the record has no rounds of %s and %s", g.Server, g.Peer)
			default:
				cells = append(cells, fmt.Sprintf("**%.2f** (%.2f–%.2f)", ratios.Median(), slices.Min(ratios), slices.Max(ratios)))
			}
		}
		goal := fmt.Sprintf("%.2f", g.Want[0])
		if g.Want[1] != g.Want[0] && g.Want[1] != 0 {
			goal += fmt.Sprintf(" (%.2f)", g.Want[1])
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.Join(cells, " | "), goal, map[bool]string{true: "yes", false: "no"}[r.meets(g)])
	}
	return b.String() + r.held(), nil
}

// meets tells whether a goal is met in both revisions.
func (r *Record) meets(g Goal) bool {
	for i, wire := range Wires {
		if r.ratios(g, wire).Median() < g.Want[i] {
			return false
		}
	}
	return true
}

// held says of each goal that isn't met what holds it, with the profile of the server.
func (r *Record) held() string {
	var b strings.Builder
	shown := map[string]bool{} // the profiles
	for _, g := range r.goals() {
		if r.meets(g) {
			continue
		}
		fmt.Fprintf(&b, "- **%s / %s**: %s", g.Server, g.Peer, g.Holds)
		if !shown[g.Server] {
			b.WriteString(r.sharesOf(g.Server))
		}
		shown[g.Server] = true
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nWhat holds the goals that are not met, and whose it is:\n\n" + b.String()
}

// serverTable shows every server with what a request takes.
func (r *Record) serverTable() string {
	var b strings.Builder
	b.WriteString("| server | requests per second | CPU time a request |\n|---|---|---|\n")
	for _, s := range r.Servers {
		perSecond, cpu := both(s, Rounds.perSecond), both(s, Rounds.cpu)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Name, perSecond, cpu)
	}
	b.WriteString("\nThe first figure is for 2025-11-25, and the one in brackets for 2026-07-28.")
	for _, why := range r.LeftOut {
		fmt.Fprintf(&b, " %s.", why)
	}
	b.WriteString(" " + r.libraries() + "\n")
	return b.String()
}

func (r Rounds) perSecond() string { return thousands(r.PerSecond.Median()) }
func (r Rounds) cpu() string       { return fmt.Sprintf("%.0f µs", r.CPU.Median()) }

// both shows a figure in both revisions; a server that doesn't know the newer one
// has a single figure.
func both(s Server, show func(Rounds) string) string {
	text := show(s.Wires[Wires[0]])
	if newer, ok := s.Wires[Wires[1]]; ok {
		text += " (" + show(newer) + ")"
	}
	return text
}

// thousands writes a whole number with commas.
func thousands(x float64) string {
	text := fmt.Sprintf("%.0f", x)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (r *Record) libraries() string {
	var words []string
	for name, version := range r.Libraries {
		words = append(words, name+" "+version)
	}
	slices.Sort(words)
	return "Versions: " + strings.Join(words, ", ") + "."
}
