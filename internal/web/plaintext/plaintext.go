// Package plaintext makes text that another party chose fit to be shown to a
// person, in a page or on a terminal. It removes what can't be seen, what
// steers a terminal, and what turns the direction of the text around it.
// It doesn't escape: that is up to whatever the text is written into.
package plaintext

import (
	"strings"
	"unicode"
)

// Line returns the text on one line: line breaks and tabs become blanks.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return visible(r)
	}, text)
}

// Lines keeps line breaks and tabs.
func Lines(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, text)
}

// Clean reports whether [Line] would return the text as it is, with its only
// blanks being ordinary ones.
func Clean(text string) bool { return Line(text) == text }

// visible drops controls, format characters (the bidi overrides, U+202E and
// its like, are among them), private-use and unassigned characters, and all
// blanks but the ordinary one.
func visible(r rune) rune {
	if r == ' ' {
		return r
	}
	if r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) {
		return -1
	}
	return r
}
