package pictures

import (
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/abuse"
)

var soak = description{
	name: "soak", title: "What both servers use during the soak",
	says: "Three graphs over the time of the soak: memory, goroutines and open descriptors of step 9 and step 10. " +
		"Each goes up and down with the floods, and none grows over time.",
	draw: func(c *canvas, root string) error {
		s, err := abuse.ReadSoak(root)
		if err != nil {
			return err
		}
		c.line(margin+40, 26, "start", "small accent", "step 9")
		c.line(margin+110, 26, "start", "small warn", "step 10")
		top := 40.0
		for _, graph := range []struct {
			name string
			of   func(abuse.Use) int
		}{
			{"memory, in MB", func(u abuse.Use) int { return u.Memory }},
			{"goroutines", func(u abuse.Use) int { return u.Goroutines }},
			{"descriptors", func(u abuse.Use) int { return u.Files }},
		} {
			c.graph(top, graph.name, s, graph.of)
			top += 130
		}
		c.line(margin+40, top+4, "start", "small muted", "0 s")
		c.line(Width-margin, top+4, "end", "small muted", fmt.Sprintf("%d s", s.Seconds))
		return nil
	},
}

const graphHeight = 90.0

// graph draws one quantity of both servers over time.
func (c *canvas) graph(top float64, name string, s abuse.Soak, of func(abuse.Use) int) {
	highest := 1
	for _, sample := range s.Samples {
		highest = max(highest, of(sample.Step9), of(sample.Step10))
	}
	left, right, bottom := margin+40, Width-margin, top+24+graphHeight
	c.frame(left, right, top, name, fmt.Sprint(highest))
	curve := func(kind string, of func(abuse.Sample) int) {
		var points []string
		for _, sample := range s.Samples {
			x := left + (right-left)*min(1, sample.At/float64(s.Seconds))
			points = append(points, n(x)+","+n(bottom-graphHeight*float64(of(sample))/float64(highest)))
		}
		c.curve(points, kind)
	}
	curve("accent", func(x abuse.Sample) int { return of(x.Step9) })
	curve("warn", func(x abuse.Sample) int { return of(x.Step10) })
}

// frame draws what is around a graph: its name, and lines at its highest value and at 0.
func (c *canvas) frame(left, right, top float64, name, highest string) {
	bottom := top + 24 + graphHeight
	c.line(left, top+14, "start", "small", name)
	c.line(left-6, top+24+6, "end", "small muted", highest)
	c.line(left-6, bottom, "end", "small muted", "0")
	c.rule(left, top+24, right, top+24)
	c.rule(left, bottom, right, bottom)
	c.reach(bottom)
}

func (c *canvas) curve(points []string, kind string) {
	c.add(`<polyline points="%s" class="arrow %s"/>`, strings.Join(points, " "), kind)
}
