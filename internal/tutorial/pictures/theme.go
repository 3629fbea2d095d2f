package pictures

import (
	"fmt"
	"strings"
)

// theme is the colours of a picture: those of GitHub's pages, so that it looks as
// a part of them. A tint is for areas, an ink for lines and text.
type theme struct {
	page, card, border, text, muted string

	accent, good, bad, warn, extra colour
}

type colour struct{ ink, tint string }

var light = theme{
	page: "#f6f8fa", card: "#ffffff", border: "#d1d9e0", text: "#1f2328", muted: "#59636e",
	accent: colour{"#0969da", "#ddf4ff"},
	good:   colour{"#1a7f37", "#dafbe1"},
	bad:    colour{"#cf222e", "#ffebe9"},
	warn:   colour{"#9a6700", "#fff8c5"},
	extra:  colour{"#8250df", "#fbefff"},
}

var dark = theme{
	page: "#151b23", card: "#0d1117", border: "#3d444d", text: "#f0f6fc", muted: "#9198a1",
	accent: colour{"#4493f8", "#12233d"},
	good:   colour{"#3fb950", "#12281c"},
	bad:    colour{"#f85149", "#331a1e"},
	warn:   colour{"#d29922", "#2b2415"},
	extra:  colour{"#ab7df8", "#241c3a"},
}

const (
	sans = `-apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif`
	mono = `ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace`
)

// style is the style sheet of a picture, with the heads of its arrows.
func (t theme) style() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<style>\ntext{font:%gpx %s;fill:%s}\n", size, sans, t.text)
	fmt.Fprintf(&b, ".small{font-size:%gpx}.strong{font-weight:600}.muted{fill:%s}\n", smallSize, t.muted)
	fmt.Fprintf(&b, ".code{font-family:%s;font-size:%gpx}\n", mono, smallSize)
	fmt.Fprintf(&b, ".page{fill:%s}.card{fill:%s;stroke:%s}.rule{stroke:%s;stroke-dasharray:2 4}\n", t.page, t.card, t.border, t.border)
	fmt.Fprintf(&b, ".badge{fill:%s}.badge-text{font-size:12px;font-weight:600;fill:%s}\n", t.muted, t.page)
	fmt.Fprintf(&b, ".arrow{stroke-width:1.6;fill:none}.quiet{stroke-dasharray:5 4}\n")
	heads := "<defs>"
	for _, kind := range []struct {
		name string
		colour
	}{
		{"plain", colour{t.text, t.card}}, {"quiet", colour{t.muted, t.card}},
		{"accent", t.accent}, {"good", t.good}, {"bad", t.bad}, {"warn", t.warn}, {"extra", t.extra},
	} {
		fmt.Fprintf(&b, ".arrow.%s{stroke:%s}rect.%s{fill:%s;stroke:%s}text.%s,tspan.%s{fill:%s}\n",
			kind.name, kind.ink, kind.name, kind.tint, kind.ink, kind.name, kind.name, kind.ink)
		heads += fmt.Sprintf(`<marker id="%s" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" `+
			`markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="%s"/></marker>`, kind.name, kind.ink)
	}
	return b.String() + "</style>\n" + heads + "</defs>\n"
}
