package naive

import (
	"embed"
	"errors"
	"strings"
)

//go:embed server.go authserver.go client.go
var sources embed.FS

// Fault is one thing that is wrong here.
type Fault struct {
	Name string
	Says string // what is wrong, and who made the mistake before
	File string // of this package
	Line int    // of the comment that names it
	Code string // the first line of code below the comment
}

// Faults are all of them, read from the comments in the source.
func Faults() ([]Fault, error) {
	var faults []Fault
	for _, file := range []string{"server.go", "authserver.go", "client.go"} {
		text, err := sources.ReadFile(file)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(string(text), "\n")
		for i := range lines {
			if name, says, ok := named(lines[i]); ok {
				fault := Fault{Name: name, Says: says, File: file, Line: i + 1}
				fault.read(lines[i+1:])
				faults = append(faults, fault)
			}
		}
	}
	if len(faults) == 0 {
		return nil, errors.New("the sources name no fault")
	}
	return faults, nil
}

// named reads the first line of a fault's comment.
func named(line string) (name, says string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "// fault ")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ": ")
}

// read reads the rest of the comment and the line of code below it. More than one
// fault may stand above a line.
func (f *Fault) read(lines []string) {
	own := true
	for _, line := range lines {
		text, comment := strings.CutPrefix(strings.TrimSpace(line), "// ")
		if !comment {
			f.Code = text
			return
		}
		if _, _, next := named(line); next {
			own = false
		}
		if own {
			f.Says += " " + text
		}
	}
}
