package pictures

import (
	"slices"
	"strings"
)

// advance has the widths of Helvetica's characters from the blank to the tilde, in
// thousandths of the size. The fonts that browsers take for sans-serif are near.
var advance = [...]int{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
}

// Of a fixed-width font a character takes this part of its size, and bold type is
// wider than the usual one.
const (
	fixed = 0.602
	bold  = 1.07
)

// width is how wide a line of text is, in units of the view box.
func width(class, text string) (w float64) {
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 || hasClass(class, "code") {
			w += float64(len([]rune(part))) * fixed * smallSize
			continue
		}
		w += plainWidth(part) * sizeOf(class)
	}
	return w
}

func sizeOf(class string) float64 {
	s := size
	if hasClass(class, "small") {
		s = smallSize
	}
	if hasClass(class, "strong") {
		s *= bold
	}
	return s
}

// plainWidth is for a size of 1.
func plainWidth(text string) (w float64) {
	for _, r := range text {
		if i := int(r) - ' '; i >= 0 && i < len(advance) {
			w += float64(advance[i]) / 1000
		} else {
			w += 0.7
		}
	}
	return w
}

func hasClass(classes, class string) bool { return slices.Contains(strings.Fields(classes), class) }
