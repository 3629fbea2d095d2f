package pictures

import (
	"fmt"

	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
)

var keys = description{
	name: "keys", title: "The keys of the provider, kept at hand",
	says: "The MCP server keeps the provider's public keys. A token whose key is known is checked at once. " +
		"An unknown key id causes one fetch, and not one for each token. A provider that is away does no harm as long as keys are there. " +
		"Without any key the answer is 503, because a token can then be neither accepted nor refused.",
	draw: func(c *canvas, _ string) error {
		const y, high = margin, 84.0
		c.box(margin, y, 96, high, "card")
		c.line(margin+48, y+38, "middle", "strong", "a token")
		c.line(margin+48, y+60, "middle", "code", "kid: k2")
		c.arrow(margin+98, y+42, margin+130, y+42, "plain")
		c.box(margin+132, y, 168, high, "accent")
		c.line(margin+216, y+27, "middle", "strong", "MCP server")
		for i, key := range []string{"k1", "k2"} {
			c.box(margin+152+66*float64(i), y+42, 62, 28, "card")
			c.line(margin+183+66*float64(i), y+61, "middle", "code", key)
		}
		c.arrow(margin+302, y+42, margin+344, y+42, "quiet")
		c.box(margin+346, y, Width-2*margin-346, high, "card")
		c.line(margin+346+51, y+38, "middle", "strong", "provider")
		c.line(margin+346+51, y+60, "middle", "code", "jwks_uri")

		at := y + high + 16
		for _, row := range []struct{ kind, when, does string }{
			{"good", "The key is known", "verify at once, ask nobody"},
			{"warn", "The key id is unknown", fmt.Sprintf("fetch once, and at most every %d seconds", int(issuerkeys.DefaultMinInterval.Seconds()))},
			{"good", "The keys get old", "fetch new ones before that, in the background"},
			{"good", "The provider is away, or sends nonsense", "go on with the keys that are there"},
			{"bad", "There is no key at all", "`503`: neither accept nor refuse a token"},
		} {
			c.box(margin, at, Width-2*margin, 52, "card")
			c.add(`<rect x="%s" y="%s" width="6" height="52" rx="3" class="%s"/>`, n(margin), n(at), row.kind)
			c.line(margin+20, at+22, "start", "strong", row.when)
			c.line(margin+20, at+41, "start", "small", row.does)
			at += 58
		}
		return nil
	},
}
