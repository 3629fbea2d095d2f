package pictures

var actors = description{
	name: "actors", title: "Who asks whom for what",
	says: "Four parties. The user asks the client to do something. The user logs in at the authorization server and consents: " +
		"this client may do that. The authorization server gives the client a token. " +
		"The client shows the token to the MCP server with each request. " +
		"The MCP server checks the token with the public keys of the authorization server.",
	draw: func(c *canvas, _ string) error {
		const wide, high = 164.0, 66.0
		left, right, top, bottom := margin, Width-margin-wide, margin, 236.0
		party := func(x, y float64, name, is string) {
			c.box(x, y, wide, high, "card")
			c.line(x+wide/2, y+29, "middle", "strong", name)
			c.line(x+wide/2, y+49, "middle", "small muted", is)
		}
		party(left, top, "User", "you, in a browser")
		party(right, top, "Authorization server", "step 9, Keycloak, …")
		party(left, bottom, "Client", "an app with a model")
		party(right, bottom, "MCP server", "has the tools")

		label := func(x, y float64, number int, anchor, text string) {
			c.badge(x, y-5, number)
			offset := 17.0
			if anchor == "end" {
				offset = -17
			}
			c.lines(x+offset, y, anchor, "small", text)
		}
		across := left + wide
		c.arrow(left+26, top+high, left+26, bottom-2, "plain")
		label(left+46, 158, 1, "start", "“Please do\nthis for me”")
		c.arrow(across, top+22, right-2, top+22, "plain")
		label(across+16, top+46, 2, "start", "logs in and\nconsents")
		c.arrow(right+14, top+high, across-8, bottom-2, "accent")
		label(right-72, 182, 3, "start", "a token")
		c.arrow(across, bottom+26, right-2, bottom+26, "accent")
		label(across+16, bottom+50, 4, "start", "the token,\nwith each call")
		c.arrow(right+wide-26, bottom, right+wide-26, top+high+2, "quiet")
		label(right+wide-46, 158, 5, "end", "the keys that\nverify it")
		c.reach(bottom + high + 12)
		return nil
	},
}

var rebinding = description{
	name: "rebinding", title: "DNS rebinding in three frames",
	says: "First the page evil.com loads from the attacker's server. Then the name evil.com is pointed to 127.0.0.1. " +
		"Then the page calls its own name and reaches the server on this machine. The browser takes both for one site. " +
		"Only the Host header, evil.com, shows that the request is not for this server, which refuses it.",
	draw: func(c *canvas, _ string) error {
		y := frame(c, margin, 1, "You open a page")
		browser(c, y, "evil.com:9000")
		c.arrow(222, y+34, 296, y+34, "quiet")
		target(c, y, "bad", "attacker's server", "`203.0.113.7`")

		y = frame(c, y+88, 2, "A moment later its name moves")
		c.box(margin, y, 204, 68, "warn")
		c.line(margin+102, y+28, "middle", "strong", "DNS")
		c.line(margin+102, y+50, "middle", "", "`evil.com`")
		c.arrow(222, y+34, 296, y+34, "bad")
		target(c, y, "card", "this machine", "`127.0.0.1`")

		y = frame(c, y+88, 3, "The page calls “itself”, and reaches your server")
		browser(c, y, "evil.com:9000")
		c.arrow(222, y+34, 296, y+34, "bad")
		target(c, y, "good", "your MCP server", "step 1: `403`")
		c.box(margin, y+84, Width-2*margin, 74, "card")
		c.line(margin+14, y+107, "start", "code", "Host: evil.com:9000")
		c.line(margin+14, y+126, "start", "code", "Origin: http://evil.com:9000")
		c.line(margin+14, y+147, "start", "small muted", "The two agree, so the browser sees one site.")
		c.line(Width-margin-14, y+107, "end", "small bad", "not this server's name")
		return nil
	},
}

// frame begins one of several pictures in a row, and returns where it may draw.
func frame(c *canvas, y float64, number int, caption string) float64 {
	c.badge(margin+10, y+10, number)
	c.line(margin+28, y+15, "start", "strong", caption)
	return y + 32
}

func browser(c *canvas, y float64, address string) {
	c.box(margin, y, 204, 68, "card")
	c.add(`<circle cx="%s" cy="%s" r="3" class="badge"/><circle cx="%s" cy="%s" r="3" class="badge"/>`,
		n(margin+14), n(y+17), n(margin+25), n(y+17))
	c.add(`<rect x="%s" y="%s" width="156" height="20" rx="10" class="page"/>`, n(margin+38), n(y+7))
	c.line(margin+48, y+21.5, "start", "code", address)
	c.line(margin+102, y+52, "middle", "small muted", "a page in your browser")
}

func target(c *canvas, y float64, kind, name, is string) {
	const wide = 164.0
	c.box(Width-margin-wide, y, wide, 68, kind)
	c.line(Width-margin-wide/2, y+28, "middle", "strong", name)
	c.line(Width-margin-wide/2, y+50, "middle", "", is)
}

var twoReaders = description{
	name: "two-readers", title: "The check reads one message, the server another",
	says: "One message names a method twice: method is ping, METHOD is tools/call. The check reads ping and allows it. " +
		"The server reads tools/call and runs it. At step 2 one reader refuses what can be read in two ways, " +
		"and passes on a new encoding of what it understood.",
	draw: func(c *canvas, _ string) error {
		const half = (Width - 3*margin) / 2
		left, right := margin, 2*margin+half
		c.box(margin, margin, Width-2*margin, 44, "card")
		c.line(Width/2, margin+27, "middle", "code", `{"method": "ping", "METHOD": "tools/call"}`)
		c.arrow(left+half/2, 62, left+half/2, 96, "plain")
		c.arrow(right+half/2, 62, right+half/2, 96, "bad")
		c.box(left, 98, half, 86, "card")
		c.line(left+half/2, 123, "middle", "strong", "The check")
		c.line(left+half/2, 146, "middle", "small", "exact names")
		c.line(left+half/2, 168, "middle", "", "`ping`: allowed")
		c.box(right, 98, half, 86, "bad")
		c.line(right+half/2, 123, "middle", "strong", "The server")
		c.line(right+half/2, 146, "middle", "small", "any case, the last wins")
		c.line(right+half/2, 168, "middle", "", "`tools/call`: runs")

		c.line(margin, 222, "start", "strong", "Step 2: one reader")
		third := (Width - 2*margin - 2*44) / 3.0
		x := margin
		for i, part := range []struct{ kind, name, is string }{
			{"card", "message", "as it came"}, {"accent", "Decode", "reads it once"}, {"card", "message", "written anew"},
		} {
			c.box(x, 238, third, 62, part.kind)
			c.line(x+third/2, 264, "middle", "strong", part.name)
			c.line(x+third/2, 284, "middle", "small muted", part.is)
			if i < 2 {
				c.arrow(x+third+2, 269, x+third+42, 269, "plain")
			}
			x += third + 44
		}
		c.arrow(Width/2, 300, Width/2, 326, "bad")
		c.line(Width/2, 344, "middle", "small bad", "`400` for what can be read in two ways")
		return nil
	},
}
