// Package performance holds what the servers take for a request, as it was
// recorded, and makes the tables of docs/performance.md from it.
//
//	make bench    # bench/run measures, and writes record.json and benchmarks.txt
//	make docs     # writes the tables and draws the pictures
//
// Nothing here measures, and no test fails on a time.
package performance

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/abuse"
	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

// Folder is where the records are, relative to the root of the repository.
const Folder = "internal/tutorial/performance"

const recordFile = "record.json"

// Record is a recorded run of bench/run.
type Record struct {
	Machine     abuse.Machine     `json:"machine"`
	Libraries   map[string]string `json:"libraries"` // versions
	Rounds      int               `json:"rounds"`
	Slot        float64           `json:"slot"` // seconds for which a server is loaded in a round
	Connections int               `json:"connections"`
	Servers     []Server          `json:"servers"`
	LeftOut     []string          `json:"left_out,omitempty"` // why a server is not among them

	ByConnections []Point `json:"by_connections"`
	ByTokens      []Point `json:"by_tokens"`             // each token was seen before
	FirstCalls    *Point  `json:"first_calls,omitempty"` // with the most tokens, each for the first time
	ByInstances   []Point `json:"by_instances"`

	Starts   []Start   `json:"starts"`
	Profiles []Profile `json:"profiles"`
}

// Start is what it takes to have a server.
type Start struct {
	Server string  `json:"server"`
	First  Series  `json:"first"`  // until the first answer, ms
	Idle   float64 `json:"idle"`   // resident memory, MB
	Loaded float64 `json:"loaded"` // the same after a load, MB
	Size   float64 `json:"size"`   // of the binary, MB
	Build  float64 `json:"build"`  // without a cache, seconds; 0 where it wasn't measured
}

// Point is a point of a curve.
type Point struct {
	Server    string  `json:"server"`
	N         int     `json:"n"`          // connections, tokens or instances
	PerSecond float64 `json:"per_second"` // calls
	Median    float64 `json:"median"`     // of what a call takes, ms
	P99       float64 `json:"p99"`        // what 99 of 100 calls don't exceed, ms
	Memory    float64 `json:"memory"`     // resident, of the server, MB
}

// Server is what a server did, side by side with the others.
type Server struct {
	Name string `json:"name"`
	// Wires are its rounds by revision of MCP. Round n of one server and of another
	// were at almost the same time.
	Wires map[string]Rounds `json:"wires"`
}

// Rounds are the figures of one server, round by round.
type Rounds struct {
	PerSecond Series `json:"per_second"` // requests
	CPU       Series `json:"cpu"`        // of the server, µs a request
}

// Series is a list of figures; in JSON a string, which takes one line.
type Series []float64

// MarshalText writes the figures with three digits and with blanks between them.
func (s Series) MarshalText() ([]byte, error) {
	words := make([]string, len(s))
	for i, x := range s {
		words[i] = significant(x)
	}
	return []byte(strings.Join(words, " ")), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Series) UnmarshalText(text []byte) error {
	*s = nil
	for word := range strings.FieldsSeq(string(text)) {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return fmt.Errorf("figure %q: %w", word, err)
		}
		*s = append(*s, x)
	}
	return nil
}

// significant writes a figure with at least three digits.
func significant(x float64) string {
	decimals := 0
	for at := x; decimals < 3 && at < 100; at *= 10 {
		decimals++
	}
	text := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Median is the middle of the figures, 0 of none.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// over divides each figure by the one of the same round.
func (s Series) over(other Series) Series {
	ratios := make(Series, min(len(s), len(other)))
	for i := range ratios {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}

// Read reads the record.
func Read(root string) (*Record, error) {
	return recorded.Read[*Record](filepath.Join(root, Folder, recordFile))
}

// Write keeps the record.
func (r *Record) Write(root string) error {
	return recorded.Write(filepath.Join(root, Folder, recordFile), r)
}

// server is the one of a name, nil where it was left out.
func (r *Record) server(name string) *Server {
	for i := range r.Servers {
		if r.Servers[i].Name == name {
			return &r.Servers[i]
		}
	}
	return nil
}
