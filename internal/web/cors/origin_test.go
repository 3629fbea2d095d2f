package cors

import (
	"net"
	"regexp"
	"strings"
	"testing"
)

// origins says of each Origin whether it is allowed when nothing is configured.
var origins = map[string]bool{
	"http://localhost":                  true,
	"http://localhost:3000":             true,
	"http://localhost:65535":            true,
	"http://127.0.0.1":                  true,
	"http://127.0.0.1:8080":             true,
	"http://127.1.2.3:8080":             true, // all of 127.0.0.0/8 is this machine
	"http://[::1]":                      true,
	"http://[::1]:9000":                 true,
	"http://[0:0:0:0:0:0:0:1]":          true,
	"":                                  false,
	"null":                              false, // sandboxed frames, file: and data: pages
	"*":                                 false,
	"localhost":                         false,
	"//localhost":                       false,
	"http:localhost":                    false,
	"http:/localhost":                   false,
	"http:///localhost":                 false,
	"http://":                           false,
	"http://:3000":                      false,
	"https://localhost":                 false, // nothing here is served over TLS
	"https://127.0.0.1:3000":            false,
	"file://localhost":                  false,
	"ws://localhost":                    false,
	"chrome-extension://localhost":      false,
	"HTTP://localhost":                  false, // browsers send lower case (RFC 6454, section 6.2)
	"http://LOCALHOST":                  false,
	"http://Localhost:3000":             false,
	"http://evil.com":                   false,
	"http://evil.com:3000":              false,
	"http://localhost.evil.com":         false, // A02: prefixes
	"http://localhost-evil.com":         false,
	"http://localhostevil.com":          false,
	"http://127.0.0.1.evil.com":         false,
	"http://127.0.0.1.nip.io":           false,
	"http://evil.localhost":             false,
	"http://evil.com.localhost":         false,
	"http://localhost.":                 false,
	"http://127.0.0.1.":                 false,
	"http://localhost.localdomain":      false,
	"http://localhost:3000@evil.com":    false, // A02: userinfo
	"http://127.0.0.1@evil.com":         false,
	"http://localhost@evil.com":         false,
	"http://evil.com@localhost":         false,
	"http://@localhost":                 false,
	"http://user:pw@127.0.0.1:3000":     false,
	"http://evil.com#localhost":         false, // A02: fragment, query, path
	"http://evil.com/?http://localhost": false,
	"http://evil.com/http://localhost":  false,
	"http://localhost/":                 false,
	"http://localhost/path":             false,
	"http://localhost?":                 false,
	"http://localhost?q":                false,
	"http://localhost#":                 false,
	"http://localhost#f":                false,
	`http://localhost\@evil.com`:        false,
	`http://evil.com\@localhost`:        false,
	"http://localhost:3000:3000":        false,
	"http://localhost:port":             false,
	"http://localhost:":                 false, // WD15: ports that nothing can listen on
	"http://localhost:0":                false,
	"http://localhost:00080":            false,
	"http://localhost:99999":            false,
	"http://localhost:-1":               false,
	"http://localhost http://evil.com":  false,
	"http://localhost, http://evil.com": false,
	"http://localhost,http://localhost": false,
	" http://localhost":                 false,
	"http://localhost ":                 false,
	"http://local\thost":                false,
	"http://localhost\r\nX: y":          false,
	"http://localhost\x00":              false,
	"http://localhost%00":               false,
	"http://%6cocalhost":                false,
	"http://localhost%2eevil.com":       false,
	"http://0.0.0.0":                    false, // other ways to reach this machine
	"http://0":                          false,
	"http://[::]":                       false,
	"http://127.1":                      false,
	"http://127.0.1":                    false,
	"http://2130706433":                 false, // 127.0.0.1 as one number
	"http://017700000001":               false,
	"http://0x7f000001":                 false,
	"http://0x7f.0.0.1":                 false,
	"http://0177.0.0.1":                 false,
	"http://127.0.0.01":                 false,
	"http://127.0.0.256":                false,
	"http://128.0.0.1":                  false,
	"http://10.0.0.1":                   false,
	"http://169.254.169.254":            false,
	"http://[::ffff:127.0.0.1]":         false,
	"http://[::ffff:7f00:1]":            false,
	"http://[::127.0.0.1]":              false,
	"http://[::2]":                      false,
	"http://[fe80::1]":                  false,
	"http://[::1%25lo]":                 false,
	"http://[::1%lo]":                   false,
	"http://[::1":                       false,
	"http://::1":                        false,
	"http://[::1].evil.com":             false,
	"http://[::1]evil.com":              false,
	"http://[127.0.0.1]":                false,
	"http://[localhost]":                false,
	"http://①②⑦.⓪.⓪.①":                  false, // Go dials 127.0.0.1 for it
	"http://ⓛocalhost":                  false,
	"http://loca\u200blhost":            false,
	"http://ｌｏｃａｌｈｏｓｔ":                  false,
	"http://127。0。0。1":                  false,
	"http://localhoﬆ":                   false, // folds to "st"
	"http://localho\u017ft":             false, // folds to "s"
}

func TestRS01_A01_A02_WD15_Allowed(t *testing.T) {
	for origin, want := range origins {
		if got := Allowed(nil, origin); got != want {
			t.Errorf("Allowed(%q) = %t", origin, got)
		}
	}
}

// What -origins adds is compared to the letter: no patterns, no prefixes.
func TestRS01_WC13_ExtraOrigins(t *testing.T) {
	extra := []string{"https://app.example", "https://*.wild.example", "http://plain.example:8080"}
	for origin, want := range map[string]bool{
		"https://app.example":           true,
		"http://plain.example:8080":     true,
		"http://localhost:3000":         true,
		"http://app.example":            false,
		"https://app.example/":          false,
		"https://app.example:443":       true, // WC13: one origin (RFC 9110, section 4.2.3)
		"https://app.example:8443":      false,
		"https://APP.example":           false,
		"https://app.example.evil.com":  false,
		"https://app.example@evil.com":  false,
		"https://evil.com/app.example":  false,
		"https://sub.app.example":       false,
		"https://www.wild.example":      false,
		"http://plain.example":          false,
		"http://plain.example:80":       false,
		"http://plain.example:80801":    false,
		"https://app.example, evil.com": false,
		"null":                          false,
	} {
		if got := Allowed(extra, origin); got != want {
			t.Errorf("Allowed(%q) = %t", origin, got)
		}
	}
}

// loopbackOrigin reads an Origin without net/url: scheme, host and port, and
// nothing else (RFC 6454, section 6.2).
var loopbackOrigin = regexp.MustCompile(`^http://(localhost|[0-9.]+|\[[0-9a-f:.]+\])(?::([0-9]*))?$`)

func FuzzRS01_Allowed(f *testing.F) {
	for origin := range origins {
		f.Add(origin)
	}
	_, loopback, _ := net.ParseCIDR("127.0.0.0/8")
	f.Fuzz(func(t *testing.T, origin string) {
		if !Allowed(nil, origin) {
			return
		}
		// The case of an IPv6 literal's digits is the only thing free.
		match := loopbackOrigin.FindStringSubmatch(strings.ToLower(origin))
		if match == nil || !strings.HasPrefix(origin, "http://") {
			t.Fatalf("%q is allowed and no Origin of this machine", origin)
		}
		if match[1] == "localhost" {
			if !strings.HasPrefix(origin, "http://localhost") {
				t.Fatalf("%q is allowed in another case", origin)
			}
			return
		}
		ip := net.ParseIP(strings.Trim(match[1], "[]"))
		switch isV4 := match[1][0] != '['; {
		case ip == nil, isV4 && !loopback.Contains(ip), !isV4 && !ip.Equal(net.IPv6loopback):
			t.Fatalf("%q is allowed and no loopback address", origin)
		}
	})
}
