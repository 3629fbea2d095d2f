package performance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Profile says where the CPU time of a call goes.
type Profile struct {
	Server string             `json:"server"`
	Wire   string             `json:"wire"`
	Shares map[string]float64 `json:"shares"` // percent by owner
}

// module is where the code of this repository begins.
const module = "mcp-auth-step-by-step/internal/"

// owners are whose code a function is, by the beginning of its name. What calls it
// is not asked: a write that mcp-go asks for is net/http's.
var owners = []struct{ prefix, owner string }{
	{"crypto/rsa.", "RSA verification"},
	{"crypto/internal/fips140/rsa.", "RSA verification"},
	{"crypto/internal/fips140/bigmod.", "RSA verification"},
	{"github.com/mark3labs/mcp-go/", "mcp-go"},
	{"github.com/modelcontextprotocol/go-sdk/", "go-sdk"},
	{"github.com/golang-jwt/", "golang-jwt"},
	{"github.com/santhosh-tekuri/", "jsonschema"},
	{"net/http.", "net/http"},
	{"net.", "net/http"},
}

// Owner is whose code a sample is in: the innermost function that belongs to
// somebody. frames are from the innermost to the outermost. What the standard
// library does for somebody counts as his.
func Owner(frames []string) string {
	for i, frame := range frames {
		if rest, ok := strings.CutPrefix(frame, module); ok {
			pkg, _, _ := strings.Cut(rest, ".")
			return pkg
		}
		for _, o := range owners {
			if !strings.HasPrefix(frame, o.prefix) {
				continue
			}
			if o.owner == "mcp-go" {
				return "mcp-go" + purpose(frames[:i])
			}
			return o.owner
		}
	}
	return "Go's scheduler and memory"
}

// purpose is what the standard library does for its caller.
func purpose(frames []string) string {
	for _, frame := range slices.Backward(frames) {
		switch {
		case strings.HasPrefix(frame, "encoding/json.Unmarshal"), strings.HasPrefix(frame, "encoding/json.(*Decoder)"):
			return ", decoding JSON"
		case strings.HasPrefix(frame, "encoding/json.Marshal"), strings.HasPrefix(frame, "encoding/json.(*Encoder)"):
			return ", encoding JSON"
		case strings.HasPrefix(frame, "runtime.newproc"), strings.HasPrefix(frame, "runtime.selectgo"), strings.HasPrefix(frame, "runtime.chan"):
			return ", goroutines and channels"
		}
	}
	return ""
}

// groups are owners put together, for a sentence. What none of them names is ours, or
// that of a library that we chose.
var groups = []struct{ beginsWith, name string }{
	{"RSA verification", "RSA"}, {"golang-jwt", "RSA"}, {"mcp-go", "mcp-go"},
	{"net/http", "net/http and Go"}, {"Go's scheduler", "net/http and Go"}, {"", "ours"},
}

// sharesOf says in a sentence whose the CPU time of a server is; nothing where it has
// no profile.
func (r *Record) sharesOf(server string) string {
	var wires []string
	for _, p := range r.Profiles {
		if p.Server != server {
			continue
		}
		sums := map[string]float64{}
		// In one order, so that the last digit of a sum is always the same.
		for _, owner := range slices.Sorted(maps.Keys(p.Shares)) {
			i := slices.IndexFunc(groups, func(g struct{ beginsWith, name string }) bool { return strings.HasPrefix(owner, g.beginsWith) })
			sums[groups[i].name] += p.Shares[owner]
		}
		var words []string
		for _, name := range []string{"net/http and Go", "RSA", "mcp-go", "ours"} {
			if sums[name] >= 0.5 {
				words = append(words, fmt.Sprintf("%s %.0f %%", name, sums[name]))
			}
		}
		wires = append(wires, p.Wire+": "+strings.Join(words, ", "))
	}
	if len(wires) == 0 {
		return ""
	}
	return fmt.Sprintf(" Of the CPU time of %s, in %s.", server, strings.Join(wires, "; in "))
}

// profileTable shows the largest owners of each server.
func (r *Record) profileTable() string {
	var b strings.Builder
	b.WriteString("| server | revision | where the CPU time goes |\n|---|---|---|\n")
	for _, p := range r.Profiles {
		names := slices.SortedFunc(maps.Keys(p.Shares), func(a, b string) int {
			return cmp.Or(cmp.Compare(p.Shares[b], p.Shares[a]), strings.Compare(a, b))
		})
		var words []string
		for _, name := range names {
			if p.Shares[name] >= 1.5 {
				words = append(words, fmt.Sprintf("%s %.0f %%", name, p.Shares[name]))
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Server, p.Wire, strings.Join(words, "; "))
	}
	return b.String()
}
