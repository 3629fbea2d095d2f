package pictures

import (
	"fmt"
	"html"
	"strings"
)

// The type of the pictures, in units of the view box.
const (
	size      = 15.0 // of text
	smallSize = 13.5 // of what explains, and of code
	leading   = 19.0 // from line to line
	margin    = 16.0 // around the whole picture
)

// canvas collects what is drawn, from top to bottom.
type canvas struct {
	height float64
	behind strings.Builder // lines that everything else covers
	body   strings.Builder
	texts  []placed
	boxes  []placed
}

// placed is a line of text, or a box, and the room that it takes.
type placed struct {
	text                     string
	left, right, top, bottom float64
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

// reach makes the picture at least so high.
func (c *canvas) reach(y float64) { c.height = max(c.height, y+margin) }

// box draws a rounded rectangle of a kind: see the style sheet.
func (c *canvas) box(x, y, w, h float64, kind string) {
	c.add(`<rect x="%s" y="%s" width="%s" height="%s" rx="8" class="%s"/>`, n(x), n(y), n(w), n(h), kind)
	c.boxes = append(c.boxes, placed{"a box", x, x + w, y, y + h})
	c.reach(y + h)
}

// line is text on one line at a baseline. anchor is start, middle or end. What
// stands between backticks is code.
func (c *canvas) line(x, y float64, anchor, class, text string) {
	w := width(class, text)
	left := x
	switch anchor {
	case "middle":
		left = x - w/2
	case "end":
		left = x - w
	}
	c.texts = append(c.texts, placed{text, left, left + w, y - 11, y + 4})
	c.add(`<text x="%s" y="%s"%s%s>%s</text>`, n(x), n(y), attribute("text-anchor", anchor, "start"),
		attribute("class", class, ""), spans(text))
	c.reach(y + 4)
}

// lines are text on several lines; it returns the baseline after the last.
func (c *canvas) lines(x, y float64, anchor, class, text string) float64 {
	for line := range strings.SplitSeq(text, "\n") {
		c.line(x, y, anchor, class, line)
		y += leading
	}
	return y
}

// ground is a blank behind a line of text, so that lines don't go through it.
func (c *canvas) ground(x, y, w float64) {
	c.add(`<rect x="%s" y="%s" width="%s" height="18" class="page"/>`, n(x-w/2-3), n(y-13.5), n(w+6))
}

// arrow draws a line with a head. kind is plain, quiet, good or bad.
func (c *canvas) arrow(x1, y1, x2, y2 float64, kind string) {
	c.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="arrow %s" marker-end="url(#%s)"/>`, n(x1), n(y1), n(x2), n(y2), kind, kind)
	c.reach(max(y1, y2))
}

// rule draws a line without a head behind everything.
func (c *canvas) rule(x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.behind, `<line x1="%s" y1="%s" x2="%s" y2="%s" class="rule"/>`+"\n", n(x1), n(y1), n(x2), n(y2))
}

// badge is a number in a circle.
func (c *canvas) badge(x, y float64, number int) {
	c.add(`<circle cx="%s" cy="%s" r="10" class="badge"/>`, n(x), n(y))
	c.add(`<text x="%s" y="%s" text-anchor="middle" class="badge-text">%d</text>`, n(x), n(y+4.5), number)
}

// problems are texts that leave the picture or run into one another, by the
// width that a common font would give them.
func (c *canvas) problems() (found []string) {
	for i, a := range c.texts {
		if a.left < margin/2 || a.right > Width-margin/2 || a.top < 0 || a.bottom > c.height {
			found = append(found, fmt.Sprintf("%q leaves the picture: %.0f to %.0f", a.text, a.left, a.right))
		}
		for _, b := range c.texts[i+1:] {
			if a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom {
				found = append(found, fmt.Sprintf("%q runs into %q", a.text, b.text))
			}
		}
		for _, box := range c.boxes {
			if a.in(box) && (a.left < box.left+6 || a.right > box.right-6) {
				found = append(found, fmt.Sprintf("%q fills its box, or leaves it", a.text))
			}
		}
	}
	return found
}

// in says that a text has its beginning, its middle or its end in a box.
func (p placed) in(box placed) bool {
	within := func(x float64) bool { return x > box.left && x < box.right }
	return p.top >= box.top && p.bottom <= box.bottom && (within(p.left) || within((p.left+p.right)/2) || within(p.right))
}

// svg is the finished file.
func (c *canvas) svg(title, says string, t theme) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %s" `+
		`width="%d" height="%s" role="img" aria-labelledby="title desc">`+"\n",
		Width, n(c.height), Width, n(c.height))
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", html.EscapeString(title), html.EscapeString(says))
	b.WriteString(t.style())
	fmt.Fprintf(&b, `<rect width="%d" height="%s" rx="12" class="page"/>`+"\n", Width, n(c.height))
	b.WriteString(c.behind.String())
	b.WriteString(c.body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// n writes a length as short as it is exact enough.
func n(v float64) string {
	text := strings.TrimRight(fmt.Sprintf("%.1f", v), "0")
	return strings.TrimSuffix(text, ".")
}

func attribute(name, value, usual string) string {
	if value == usual {
		return ""
	}
	return fmt.Sprintf(" %s=%q", name, value)
}

// spans writes text with its code.
func spans(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		switch {
		case part == "":
		case i%2 == 1:
			b.WriteString(`<tspan class="code">` + html.EscapeString(part) + `</tspan>`)
		default:
			b.WriteString(html.EscapeString(part))
		}
	}
	return b.String()
}
