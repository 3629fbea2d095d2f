package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// benchmarks runs the benchmarks of the layers, each several times and in random
// order, and records what they print, as benchstat reads it.
func benchmarks(s *stage, _ *performance.Record) error {
	rounds, long := 5, "200ms"
	if *short {
		rounds, long = 1, "1x"
	}
	all := performance.Benchmarks
	binaries := map[string]string{}
	for i, b := range all {
		binaries[b.Package] = s.path(fmt.Sprintf("benchmark%d.test", i))
		if err := s.in(s.root, "go", "test", "-c", "-o", binaries[b.Package], "./"+b.Package); err != nil {
			return err
		}
	}
	var record bytes.Buffer
	for range rounds {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, b := range all {
			command := onCore(serverCore, binaries[b.Package], "-test.run", "^$", "-test.bench", "^Benchmark"+b.Name+"$",
				"-test.benchtime", long, "-test.cpu", "1")
			command.Dir = filepath.Join(s.root, b.Package)
			output, err := s.output(command)
			if err != nil {
				return err
			}
			for _, line := range onlyBenchmarks.FindAllString(output, -1) {
				record.WriteString(line)
			}
		}
	}
	if *short {
		return nil
	}
	return localfile.Write(filepath.Join(s.root, performance.Folder, performance.BenchmarkFile), record.Bytes(), 0o644)
}

// onlyBenchmarks are the lines that benchstat reads; a test binary says more.
var onlyBenchmarks = regexp.MustCompile(`(?m)^(goos:|goarch:|pkg:|cpu:|Benchmark).*\n`)
