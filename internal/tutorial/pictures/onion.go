package pictures

import (
	"fmt"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// The steps whose programs are not MCP servers stand beside the server that is
// there by then.
const (
	authorizationServer = 9
	client              = 11
)

// layersOf is the picture at the head of a step's page: the layers that a request
// passes, the new one lit.
func layersOf(step manifest.Step) description {
	return description{
		name:  fmt.Sprintf("layers-%d", step.Number),
		title: fmt.Sprintf("The layers at step %d", step.Number),
		says: fmt.Sprintf("What a request passes at step %d, from the outside in. New at this step: %s.",
			step.Number, step.Name),
		draw: func(c *canvas, root string) error { return drawLayers(c, root, step.Number) },
	}
}

func drawLayers(c *canvas, root string, number int) error {
	shown := manifest.Steps[number-1]
	if !shown.Server { // the one before, or the last
		shown = manifest.Servers()[min(number-2, len(manifest.Servers())-1)]
	}
	p, err := readProgram(root, shown)
	if err != nil {
		return err
	}
	top := margin
	if number >= authorizationServer {
		top = drawNeighbours(c, number)
	} else {
		c.line(Width/2, top+14, "middle", "small muted", "a request")
		c.arrow(Width/2, top+20, Width/2, top+38, "plain")
		top += 40
	}
	return drawRings(c, p, top, number)
}

// drawNeighbours shows who is around the MCP server from step 9 on.
func drawNeighbours(c *canvas, number int) float64 {
	const wide, high, below = 170.0, 46.0, margin + 46.0 + 34.0
	right := Width - margin - wide
	if number >= client {
		c.box(margin, margin, wide, high, lit(number, client))
		label(c, margin+14, margin+28, wide-28, "small", "Client", client, number)
		c.arrow(margin+wide/2, margin+high, margin+wide/2, below-2, "plain")
	} else {
		c.line(margin+wide/2, margin+28, "middle", "small muted", "a request")
		c.arrow(margin+wide/2, margin+38, margin+wide/2, below-2, "plain")
	}
	c.box(right, margin, wide, high, lit(number, authorizationServer))
	label(c, right+14, margin+28, wide-28, "small", "Token issuer", authorizationServer, number)
	if number > authorizationServer {
		c.arrow(right+wide/2, below-2, right+wide/2, margin+high+2, "quiet")
		c.line(right+wide/2-10, margin+high+22, "end", "small muted", "its keys")
	}
	return below
}

func lit(number, step int) string {
	if number == step {
		return "accent"
	}
	return "card"
}

// label is the name of a layer in a class of type, and at its right end the step that
// brought it.
func label(c *canvas, x, y, wide float64, class, name string, step, number int) {
	mark := "small muted"
	if step == number {
		class, mark = class+" strong", "small strong accent"
	}
	c.line(x, y, "start", class, name)
	c.line(x+wide, y, "end", mark, fmt.Sprintf("step %d", step))
}

// drawRings draws the layers one inside the other. Those around every route also hold the
// routes that need no token.
func drawRings(c *canvas, p *program, top float64, number int) error {
	const head, inset = 32.0, 9.0
	core := 0.0
	if p.tools != nil {
		core = 34
	}
	inside := float64(len(p.rings)) // how many layers lie around the core
	place := func(i int) (x, y float64) { return margin + float64(i)*inset, top + float64(i)*head }
	height := func(i int) float64 {
		h := (inside-float64(i))*head + core + (inside-1-float64(i))*inset + 2
		if i < len(p.rings) && p.rings[i].all {
			h += openHead + openRow*float64(len(p.open))
		}
		return h
	}
	around := 0 // how many layers are around every route
	for i, r := range p.rings {
		name, known := rings[r.call]
		if !known {
			return fmt.Errorf("%s wraps requests and has no name: add it to rings", r.call)
		}
		if r.all {
			around++
		}
		x, y := place(i)
		c.box(x, y, Width-2*x, height(i), lit(number, r.step))
		label(c, x+14, y+21, Width-2*x-28, "small", name, r.step, number)
	}
	if p.tools != nil {
		x, y := place(len(p.rings))
		c.box(x, y, Width-2*x, core-8, lit(number, p.tools.step))
		label(c, x+14, y+18, Width-2*x-28, "small", rings[p.tools.call], p.tools.step, number)
	}
	x, y := place(around)
	if around < len(p.rings) {
		y += height(around)
	}
	drawOpen(c, p, x, y, number)
	return nil
}

// How high the list of what needs no token is: what stands above it, and each of its rows.
const openHead, openRow = 26.0, 34.0

// drawOpen lists what needs no token at any step.
func drawOpen(c *canvas, p *program, x, y float64, number int) {
	c.line(x, y+18, "start", "small muted", "Served, without a token:")
	y += openHead
	for _, r := range p.open {
		c.box(x, y, Width-2*x, 28, lit(number, r.step))
		label(c, x+12, y+19, Width-2*x-26, "code", r.call, r.step, number)
		y += openRow
	}
}
