// Package cluster is the load on a cluster (two Keycloak nodes, three step 10's, a
// proxy) while parts of it are killed, and the record of such a run. interop/cluster.sh
// starts the parts.
package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

// Operations are what the clients do, as tables name them.
var Operations = []string{BareCall, Call, Refresh, Login}

// The operations.
const (
	BareCall = "calls, no retry"
	Call     = "calls"
	Refresh  = "refreshes"
	Login    = "logins"
)

// Record is a run.
type Record struct {
	Machine string
	Phases  []*Phase
}

// Phase is a part of a run, from one event to the next.
type Phase struct {
	Name    string
	Seconds float64
	Counts  map[string]*Count // by operation
}

// Count counts the requests of an operation. A login is many requests, and is lost if
// one of them is.
type Count struct {
	Sent    int
	Lost    int // no answer, or a status of 500 or more
	Refused int // any other answer than the right one
}

func file(root string) string {
	return filepath.Join(root, "internal/tutorial/cluster/cluster.json")
}

// Write keeps a record in the repository.
func (r *Record) Write(root string) error { return recorded.Write(file(root), r) }

// Table shows the recorded run, if there is one.
func Table(root string) (string, error) {
	r, err := recorded.Read[Record](file(root))
	if errors.Is(err, fs.ErrNotExist) {
		return "No run is recorded here yet; `make cluster` records one.\n", nil
	}
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Recorded on %s\n\n| in this time | seconds | %s |\n|---|---|%s\n",
		r.Machine, strings.Join(Operations, " | "), strings.Repeat("---|", len(Operations)))
	for _, phase := range r.Phases {
		fmt.Fprintf(&b, "| %s | %.0f |", phase.Name, phase.Seconds)
		for _, operation := range Operations {
			fmt.Fprintf(&b, " %s |", phase.Counts[operation])
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

func (c *Count) String() string {
	switch {
	case c == nil || c.Sent == 0:
		return "none"
	case c.Refused > 0:
		return fmt.Sprintf("%d, %d lost, %d refused", c.Sent, c.Lost, c.Refused)
	}
	return fmt.Sprintf("%d, %d lost", c.Sent, c.Lost)
}
