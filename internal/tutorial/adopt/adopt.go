// Package adopt copies layers of the steps into a module of one's own, with the
// packages that they need and with their tests. It knows what it wrote, and never
// writes over anything else.
//
//	err := adopt.Run(adopt.Options{Root: root, Dir: "../myserver", Layers: adopt.Default(), For: "go-sdk", Out: os.Stdout})
package adopt

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/web/version"
)

// Options say what to copy, and where to.
type Options struct {
	Root   string   // of this repository
	Dir    string   // a folder of a module of one's own
	Layers []string // names of [Layers]
	For    string   // one of [Libraries]
	DryRun bool     // show, and write nothing
	Lines  bool     // print the lines for one's own main alone, and write nothing
	Out    io.Writer
}

// licence is the file beside the copies that has the licence and their source.
const licence = "internal/LICENSE-auth-step-by-step"

// Run copies the layers, and prints what became of each file, what to require in
// go.mod, and the lines for one's own main. Before it writes anything it fails
// where a file is in the way.
func Run(o Options) error {
	t, err := openTarget(o.Root, o.Dir)
	if err != nil {
		return err
	}
	layers, err := choose(o.Layers, o.For)
	if err != nil {
		return err
	}
	lines, err := Lines(o.Root, layers, o.For, t.prefix)
	if err != nil || o.Lines {
		_, _ = io.WriteString(o.Out, lines)
		return err
	}
	old, err := t.readRecord()
	if err != nil {
		return err
	}
	r := &record{Source: module + "@" + version.Number, Commit: commit(o.Root), For: o.For, Files: old.Files}
	r.Source = strings.Replace(r.Source, "/@", "@", 1)
	for _, layer := range layers {
		r.Layers = append(r.Layers, layer.Name)
	}
	b, err := gather(o.Root, t.prefix, layers)
	if err != nil {
		return err
	}
	if b.files[licence], err = licenceText(o.Root, r); err != nil {
		return err
	}
	changes, err := t.plan(b.files, old)
	if err != nil {
		return err
	}
	report(o.Out, changes, b)
	if slices.ContainsFunc(changes, func(c change) bool { return c.verdict == foreign }) {
		return fmt.Errorf("nothing was written, because files are in the way that adopt did not write: %s", named(changes, foreign))
	}
	if !o.DryRun {
		if err := t.write(changes, b.files, r); err != nil {
			return err
		}
	}
	next(o, b, lines)
	return nil
}

// commit is the version of the source, where git knows it.
func commit(root string) string {
	out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func licenceText(root string, r *record) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	from := r.Source
	if r.Commit != "" {
		from += ", commit " + r.Commit
	}
	return append([]byte("The packages that "+Record+" lists were copied from "+from+", under this licence:\n\n"), text...), err
}

// named lists the files of a verdict.
func named(changes []change, v verdict) string {
	var names []string
	for _, c := range changes {
		if c.verdict == v {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

// report says what becomes of each file, and shows how those differ that stay.
func report(w io.Writer, changes []change, b *bundle) {
	same := 0
	for _, c := range changes {
		if c.verdict == unchanged {
			same++
			continue
		}
		fmt.Fprintf(w, "%s (%s)\n", c.name, c.verdict)
		if c.verdict == edited || c.verdict == foreign {
			showDiff(w, c.there, b.files[c.name])
		}
	}
	fmt.Fprintf(w, "%d files, %d of them unchanged\n", len(changes), same)
	for _, name := range b.leftOut {
		fmt.Fprintf(w, "not copied, because it tests several layers or the tutorial: %s\n", name)
	}
}

// showDiff shows what a file has (-) and what adopt would write (+).
func showDiff(w io.Writer, there, wanted []byte) {
	split := func(text []byte) []string { return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") }
	lines := manifest.Diff(split(there), split(wanted))
	var out bytes.Buffer
	for i, line := range lines {
		switch {
		case manifest.IsNear(lines, i):
			fmt.Fprintf(&out, "    %c %s\n", line.Op, line.Text)
		case i > 0 && manifest.IsNear(lines, i-1):
			out.WriteString("    …\n")
		}
	}
	if out.Len() == 0 {
		out.WriteString("    only blanks differ\n")
	}
	_, _ = w.Write(out.Bytes())
}

// next says what is left to do.
func next(o Options, b *bundle, lines string) {
	if o.DryRun {
		fmt.Fprintln(o.Out, "\nNothing was written. Without -n, these would be next:")
	}
	fmt.Fprintf(o.Out, "\nIn %s:\n\n", o.Dir)
	if len(b.requires) > 0 {
		fmt.Fprintf(o.Out, "    go get %s\n", strings.Join(b.requires, " "))
	}
	fmt.Fprintf(o.Out, "    go mod tidy\n    go test ./internal/...\n\nFor your own main (adopt -lines prints it alone):\n\n%s", lines)
}
