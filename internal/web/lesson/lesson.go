// Package lesson reads what a program says of itself with -h: the comment over its
// package clause, so that the source and the program say the same.
//
//	//go:embed main.go
//	var source string
//	…
//	fmt.Print(lesson.Of(source))
package lesson

import "strings"

// Of is the package comment of a source that begins with it, without the slashes,
// and a line break after it.
func Of(source string) string {
	comment, _, _ := strings.Cut(source, "\npackage ")
	var b strings.Builder
	for line := range strings.Lines(comment) {
		b.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "//"), " "))
	}
	return b.String() + "\n"
}
