package pictures

import (
	"fmt"
	"math"
	"slices"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

var byConnections = description{
	name: "by-connections", title: "Calls, latency and memory by connections",
	says: "Three graphs over the number of connections, from one to a thousand, of step 10 and of go-sdk with a token cache: " +
		"calls per second, the milliseconds that 99 of 100 calls don't exceed, and resident memory.",
	draw: curves("connections", func(r *performance.Record) []performance.Point { return r.ByConnections }),
}

var byTokens = description{
	name: "by-tokens", title: "Calls, latency and memory by tokens",
	says: "Three graphs over the number of distinct tokens, from one to 100,000, of step 10: " +
		"calls per second, the milliseconds that 99 of 100 calls don't exceed, and resident memory.",
	draw: curves("tokens", func(r *performance.Record) []performance.Point { return r.ByTokens }),
}

// curves draws the points of a record.
func curves(of string, points func(*performance.Record) []performance.Point) func(c *canvas, root string) error {
	return func(c *canvas, root string) error {
		r, err := performance.Read(root)
		if err == nil {
			c.curves(of, points(r))
		}
		return err
	}
}

// curves draws points over a number that grows by factors.
func (c *canvas) curves(of string, points []performance.Point) {
	var servers []string
	most := 2
	for _, p := range points {
		if most = max(most, p.N); !slices.Contains(servers, p.Server) {
			servers = append(servers, p.Server)
		}
	}
	kinds := []string{"accent", "warn"}
	y := 26.0
	for i, name := range servers {
		c.line(margin+50, y, "start", "small "+kinds[i%2], name)
		y += leading
	}
	for _, graph := range []struct {
		name string
		of   func(performance.Point) float64
	}{
		{"calls per second", func(p performance.Point) float64 { return p.PerSecond }},
		{"99 of 100 calls within, ms", func(p performance.Point) float64 { return p.P99 }},
		{"memory, MB", func(p performance.Point) float64 { return p.Memory }},
	} {
		c.overFactors(y-10, graph.name, points, most, func(server string) string { return kinds[slices.Index(servers, server)%2] }, graph.of)
		y += 130
	}
	c.line(margin+50, y-6, "start", "small muted", "1")
	c.line(Width-margin, y-6, "end", "small muted", fmt.Sprintf("%d %s", most, of))
	c.reach(y)
}

// overFactors draws one quantity of every server; equal factors of N are equally
// wide.
func (c *canvas) overFactors(top float64, name string, points []performance.Point, most int, kind func(string) string,
	of func(performance.Point) float64,
) {
	highest, lines := 0.0, map[string][]string{}
	for _, p := range points {
		highest = max(highest, of(p))
	}
	left, right, bottom := margin+50, Width-margin, top+24+graphHeight
	for _, p := range points {
		x := left + (right-left)*math.Log(float64(p.N))/math.Log(float64(most))
		lines[p.Server] = append(lines[p.Server], n(x)+","+n(bottom-graphHeight*of(p)/max(highest, 1e-9)))
	}
	c.frame(left, right, top, name, fmt.Sprintf("%.4g", math.Round(highest)))
	for _, p := range points {
		if line := lines[p.Server]; line != nil {
			c.curve(line, kind(p.Server))
			delete(lines, p.Server)
		}
	}
}
