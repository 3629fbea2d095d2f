package pictures

import "strings"

// parties are who says something to whom. A new line in a name begins a second one.
type parties []string

// turn is a message, or where from and to are the same, what a party does.
type turn struct {
	from, to int
	says     string // a line or two, above the arrow
	kind     string // of the arrow or box: see the style sheet
}

// chapter is a turn that only says what comes now.
func chapter(says string) turn { return turn{from: -1, to: -1, says: says} }

// drawSequence makes the drawing of a description: what is said, from top to bottom.
func drawSequence(s parties, turns []turn) func(c *canvas, root string) error {
	return func(c *canvas, _ string) error {
		top := s.heads(c)
		y := top
		for _, t := range turns {
			y = s.turn(c, t, y)
		}
		for i := range s {
			c.rule(s.at(i), top-8, s.at(i), y+10)
		}
		c.reach(y + 4)
		return nil
	}
}

// column is the width of a party's part.
func (s parties) column() float64 { return (Width - 2*margin) / float64(len(s)) }

// at is where the line of a party is.
func (s parties) at(party int) float64 { return margin + s.column()*(float64(party)+0.5) }

func (s parties) heads(c *canvas) float64 {
	high := 36.0
	for _, name := range s {
		if strings.Contains(name, "\n") {
			high = 54
		}
	}
	for i, name := range s {
		c.box(s.at(i)-s.column()/2+3, margin, s.column()-6, high, "card")
		y := margin + high/2 + 5 - float64(strings.Count(name, "\n"))*leading/2
		c.lines(s.at(i), y, "middle", "small strong", name)
	}
	return margin + high + 14
}

// turn draws one turn below y and returns where it ends.
func (s parties) turn(c *canvas, t turn, y float64) float64 {
	lines := strings.Split(t.says, "\n")
	if t.from < 0 {
		y += 26
		c.ground(Width/2, y, Width-2*margin)
		c.line(margin, y, "start", "small strong", t.says)
		return y + 4
	}
	middle := (s.at(t.from) + s.at(t.to)) / 2
	widest := 0.0
	for _, line := range lines {
		widest = max(widest, width("small", line))
	}
	room := widest/2 + margin + 10
	middle = min(max(middle, room), Width-room)
	if t.from == t.to {
		high := float64(len(lines))*leading + 11
		c.box(middle-widest/2-10, y+13, widest+20, high, t.kind)
		c.lines(middle, y+32, "middle", "small", t.says)
		return y + 15 + high
	}
	y += 24
	for _, line := range lines {
		c.ground(middle, y, width("small", line))
		c.line(middle, y, "middle", "small", line)
		y += leading
	}
	y -= 9
	gap := 2.0
	if t.to < t.from {
		gap = -2
	}
	c.arrow(s.at(t.from)+gap, y, s.at(t.to)-gap, y, t.kind)
	return y
}
