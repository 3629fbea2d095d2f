package pictures

import "strings"

var wayIn = description{
	name: "way-in", title: "The client finds its own way in",
	says: "The client knows one URL. It is refused, reads the server's document and the issuer's document, makes itself known, " +
		"sends the user to log in and consent, exchanges the code for tokens and calls again. " +
		"When the token has expired, it uses the refresh token. When the scope is too small, it asks the user for more.",
	draw: func(c *canvas, _ string) error {
		const high, gap, right = 50.0, 14.0, 396.0
		y, tops := margin, []float64{}
		for i, stage := range []struct{ kind, does, checks string }{
			{"card", "Call the server", "`401`, and where its document is"},
			{"card", "Read the server's document", "Does it name the URL that I called?"},
			{"card", "Read the issuer's document", "Does it name this issuer? Does it know PKCE?"},
			{"card", "Make itself known", "with a document of its own, or by registration"},
			{"warn", "Send the user to log in and consent", "a new `state` and a new secret each time"},
			{"card", "Exchange the code", "Is it my `state`? Is `iss` the issuer I asked?"},
			{"good", "Call the server with the token", "only this server, and no redirect"},
		} {
			c.box(margin, y, right-margin, high, stage.kind)
			c.badge(margin+22, y+high/2, i+1)
			c.line(margin+44, y+21, "start", "strong", stage.does)
			c.line(margin+44, y+40, "start", "small muted", stage.checks)
			if i > 0 {
				c.arrow(margin+22, y-gap, margin+22, y-2, "plain")
			}
			tops = append(tops, y)
			y += high + gap
		}
		back(c, right, tops[6]+15, tops[4]+34, right+26, "accent", "403:\nmore\nscope")
		back(c, right, tops[6]+36, tops[5]+34, right+14, "quiet", "")
		c.line(right+20, tops[6]+40, "start", "small muted", "expired:")
		c.line(right+20, tops[6]+58, "start", "small muted", "refresh")
		c.reach(tops[6] + 58)
		return nil
	},
}

// back draws a way from a stage up to an earlier one, at the right of both.
func back(c *canvas, x, from, to, bend float64, kind, says string) {
	c.add(`<path d="M%s %sH%sV%sH%s" class="arrow %s" marker-end="url(#%s)"/>`, n(x), n(from), n(bend), n(to), n(x+2), kind, kind)
	y := (from+to)/2 - float64(strings.Count(says, "\n"))*leading/2
	if says != "" {
		c.lines(bend+8, y, "start", "small", says)
	}
}
