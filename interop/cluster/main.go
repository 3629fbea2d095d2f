// Command cluster is the load on the cluster of interop/cluster.sh. It reads lines
// from standard input: each begins a phase, whose name it is. At the end of its input
// it records what came of each phase.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"

	"mcp-auth-step-by-step/internal/tutorial/cluster"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

var (
	mcp     = flag.String("mcp", "", "`URL` of the MCP endpoint behind the proxy")
	bare    = flag.String("bare", "", "`URL` of the same without the proxy's retry")
	issuer  = flag.String("issuer", "", "`URL` of the realm behind the proxy")
	machine = flag.String("machine", "", "`sentence` about the machine and the day")
)

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := manifest.Root()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	load := &cluster.Load{MCP: *mcp, Bare: *bare, Resource: *mcp, Issuer: *issuer}
	lines := bufio.NewScanner(os.Stdin)
	for first := true; lines.Scan(); first = false {
		load.Phase(lines.Text())
		if first {
			if err := load.Start(ctx); err != nil {
				return err
			}
		}
	}
	stop()
	record := &cluster.Record{Machine: *machine, Phases: load.Phases()}
	if err := record.Write(root); err != nil {
		return err
	}
	table, err := cluster.Table(root)
	fmt.Print(table)
	return err
}
