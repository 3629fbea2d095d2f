package performance

import (
	"errors"
	"fmt"
	"strings"
)

// Part is a generated part of docs/performance.md, by its name.
func Part(root, name string) (string, error) {
	r, err := Read(root)
	if err != nil {
		return "", err
	}
	switch name {
	case "ratios":
		return r.ratioTable()
	case "servers":
		return r.serverTable(), nil
	case "connections":
		return points("connections", r.ByConnections)
	case "tokens":
		return r.tokenTable()
	case "instances":
		return points("instances", r.ByInstances)
	case "starts":
		return r.startTable()
	case "profiles":
		return r.profileTable(), nil
	case "layers":
		return layerTable(root)
	case "authorization-server":
		return authServerTable(root)
	}
	return "", errors.New("not a part of docs/performance.md; see internal/tutorial/performance")
}

// points are a table of a curve.
func points(of string, list []Point) (string, error) {
	if len(list) == 0 {
		return "", fmt.Errorf("the record has no run by %s: run make bench", of)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| server | %s | calls per second | median | 99 of 100 within | memory |\n|---|---|---|---|---|---|\n", of)
	for _, p := range list {
		fmt.Fprintf(&b, "| %s | %s | %s | %s ms | %s ms | %s MB |\n", p.Server, thousands(float64(p.N)), thousands(p.PerSecond),
			significant(p.Median), significant(p.P99), significant(p.Memory))
	}
	return b.String(), nil
}

func (r *Record) tokenTable() (string, error) {
	table, err := points("tokens", r.ByTokens)
	if err != nil || r.FirstCalls == nil {
		return table, err
	}
	f := r.FirstCalls
	return table + fmt.Sprintf("\nWhen each of the %s tokens came for the first time, "+
		"there were %s calls per second, with a median of %s ms.\n",
		thousands(float64(f.N)), thousands(f.PerSecond), significant(f.Median)), nil
}

func (r *Record) startTable() (string, error) {
	if len(r.Starts) == 0 {
		return "", errors.New("the record has no starts: run make bench")
	}
	var b strings.Builder
	b.WriteString("| server | first answer after | memory idle | memory after a load | binary | build without a cache |\n" +
		"|---|---|---|---|---|---|\n")
	measured := func(x float64, unit string) string {
		if x == 0 {
			return ""
		}
		return significant(x) + unit
	}
	note := ""
	for _, s := range r.Starts {
		fmt.Fprintf(&b, "| %s | %s ms | %s MB | %s MB | %s | %s |\n", s.Server, significant(s.First.Median()),
			significant(s.Idle), significant(s.Loaded), measured(s.Size, " MB"), measured(s.Build, " s"))
		if s.Server == Original {
			note = "\nThe Python original has neither a binary nor a build. In place of a build stands the time that `pip` takes to " +
				"install its packages into an empty environment, once they are downloaded.\n"
		}
	}
	return b.String() + note, nil
}

// authServerTable shows what step 9 does in a second on one core, and what it keeps.
func authServerTable(root string) (string, error) {
	found, err := readBenchmarks(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| stored registrations | code flows a second | refreshes a second |\n|---|---|---|\n")
	for _, n := range []int{10, 100_000} {
		cells := []string{thousands(float64(n))}
		for _, what := range []string{"flow", "refresh"} {
			takes, err := found.cost(authServer, fmt.Sprintf("Stored/%s/registrations=%d", what, n))
			if err != nil {
				return "", err
			}
			cells = append(cells, thousands(1e6/takes.micro))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	b.WriteString("\n| kept in memory | bytes |\n|---|---|\n")
	for _, what := range []string{"registration", "session", "grant"} {
		fmt.Fprintf(&b, "| a %s | %s |\n", what, thousands(found[authServer+" Kept/"+what]["B/kept"].Median()))
	}
	return b.String(), nil
}
