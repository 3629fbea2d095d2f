// Package abuse lets programs do to the servers of steps 9 and 10 what unknown
// callers may try: floods, faults and a long mixed load. Meanwhile honest users
// log in, register, refresh, introspect and call tools. The servers are real
// processes, and all traffic is on loopback.
//
//	ABUSE=all go test ./internal/tutorial/abuse    # records floods.json; make abuse
//	ABUSE=short go test ./internal/tutorial/abuse  # every flood for a second or two
//
// docs/limits.md shows the recorded runs. Without the variable the tests only
// hold the records to what the page promises.
package abuse

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/web/version"
)

// Folder is where the records are, relative to the root of the repository.
const Folder = "internal/tutorial/abuse"

// MaxMemory is how much both servers may use together at any limit, in bytes.
const MaxMemory = 256 << 20

// MaxRatio is how much longer an honest login may take during a flood, as the
// ratio of the medians.
const MaxRatio = 3

// Machine is where a run was recorded.
type Machine struct {
	Cores   int    `json:"cores"`
	CPU     string `json:"cpu"`
	System  string `json:"system"`
	Go      string `json:"go"`
	Version string `json:"version"` // of this repository
	Date    string `json:"date"`
}

// ThisMachine describes where this program runs. It names no host.
func ThisMachine() Machine {
	return Machine{
		Cores: runtime.NumCPU(), CPU: processor(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Version: version.Number, Date: time.Now().UTC().Format(time.DateOnly),
	}
}

// String is one line for a page.
func (m Machine) String() string {
	return fmt.Sprintf("%d cores (%s), %s, %s, version %s, %s", m.Cores, m.CPU, m.System, m.Go, m.Version, m.Date)
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// file is where a record is.
func file(root, name string) string { return filepath.Join(root, Folder, name) }
