package clientmetadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
)

var goodRedirects = []string{
	"https://app.example.com/cb",
	"https://app.example.com",
	"https://app.example.com:8443/cb?tenant=1&x=%20",
	"https://xn--bcher-kva.example/cb",
	"https://10.0.0.1/cb", // the user's browser goes there, not the server
	"https://localhost:8443/cb",
	"http://localhost/cb",
	"http://localhost:3000/oauth/callback",
	"http://127.0.0.1/cb",
	"http://127.0.0.1:65535/",
	"http://[::1]:8123/cb",
	"com.example.app:/cb",
	"com.example.app:/oauth/cb?x=1",
	"com.example.app://oauth/cb",
	"cursor://anysphere.cursor-mcp/oauth/callback", "app:/cb", "myapp://cb",
}

var badRedirects = []string{
	"", " ", "cb", "/cb", "//app.example.com/cb", "?x", "app.example.com/cb",
	"javascript:alert(1)", "JavaScript:alert(1)", "javascript://app.example.com/%0aalert(1)", "java.script:alert(1)", "data:text/html,x",
	"data:/x", "data.x:text/html,x", "vbscript:x", "file:///etc/passwd", "file://localhost/x", "blob:https://app.example.com/x", "about:blank", "ftp://app.example.com/", "ws://localhost/",
	"urn:ietf:wg:oauth:2.0:oob", "urn:/oob", "com.example.app:cb", "com.example.app:", "COM.example.app:/cb", "com.example.app", ".:/cb", "1.2:/cb", "a.:/cb", "a..b:/cb",
	"http://evil.com/cb", "http://evil.com", "http://10.0.0.1/cb", "http://0.0.0.0/cb", "http://[::]/cb", "http://localhost.evil.com/cb", "http://127.0.0.1.evil.com/cb",
	"http://evil-localhost/cb", "http://app.localhost/cb", "http://localhost./cb", "http://LOCALHOST/cb", "HTTP://localhost/cb", "HTTPS://app.example.com/cb",
	"http://127.1/cb", "http://2130706433/cb", "http://0x7f000001/cb", "http://0177.0.0.1/cb", "http://[::ffff:127.0.0.1]/cb", "http://[0:0:0:0:0:0:0:1]/cb", "http://[::1%25lo]/cb",
	"http://①②⑦.⓪.⓪.①/cb", "https://①②⑦.⓪.⓪.①/cb", "https://exämple.com/cb", "https://app.example.com/c\u202eb",
	"http://localhost@evil.com/cb", "http://localhost:3000@evil.com/cb", "https://user:pw@app.example.com/cb", "https://@app.example.com/cb", "com.example.app://u@x/cb", "com.example.app://0%8a0", "com.example.app:///cb", "com.example.app://x:y/cb",
	"https://app.example.com/cb#", "https://app.example.com/cb#x", "http://localhost/cb#evil", "com.example.app:/cb#x",
	"https://*.example.com/cb", "https://app.example.com/*", "*", "http://localhost:*/cb", "https://app.example.com/cb?*",
	"https://app.example.com/a/../cb", "https://app.example.com/./cb", "https://app.example.com/..", "https://app.example.com/%2e%2e/cb", "https://app.example.com/%2E./cb", "https://app.example.com/a/..%2fcb", "https://app.example.com/..%5ccb",
	`https://app.example.com\@evil.com/cb`, `http:\\localhost\cb`, `http:/\localhost/cb`, "https:/app.example.com/cb", "https:app.example.com/cb", "https:///cb", "http:///cb", "https://:443/cb",
	"https://app.example.com:/cb", "https://app.example.com:0/cb", "https://app.example.com:99999/cb", "https://app.example.com:44a/cb",
	"https://app.example.com/c b", "https://app.example.com/cb\r\nX: y", "https://app.example.com/cb\n", "\thttps://app.example.com/cb", "https://app.example.com/cb\x00", `https://app.example.com/"onload=`, "https://app.example.com/<script>", "https://app.example.com/{x}", "https://app.example.com/%",
	"https://app.example.com/cb?code=x", "https://app.example.com/cb?a=b&state=x", "https://app.example.com/cb?iss=x", "https://app.example.com/cb?error=x", "https://app.example.com/cb?%63ode=x", "https://app.example.com/cb?a=%zz", "https://app.example.com/cb?a;code=x",
	"https://app.example.com./cb", "https://app..example.com/cb", "https://" + strings.Repeat("a", 64) + ".com/", "https://app.example.com/" + strings.Repeat("x", maxRedirectURI),
}

func TestH01_AS08_ParseRedirect(t *testing.T) {
	for _, uri := range goodRedirects {
		if _, err := ParseRedirect(uri); err != nil {
			t.Errorf("%q: %v", uri, err)
		}
	}
	for _, uri := range badRedirects {
		var refusal *Error
		if _, err := ParseRedirect(uri); !errors.As(err, &refusal) || refusal.Code != InvalidRedirectURI || refusal.Description == "" {
			t.Errorf("%.80q: %v", uri, err)
		}
	}
}

func client(uris ...string) *Metadata { return &Metadata{RedirectURIs: MustRedirects(uris...)} }

// allows reports whether a client may have its answer at a URI, which must then
// come back as it was asked for.
func allows(t *testing.T, m *Metadata, uri string) bool {
	t.Helper()
	asked, ok := m.MatchRedirect(uri)
	if ok && asked.String() != uri || !ok && asked != (Redirect{}) {
		t.Errorf("asked for %q, got %q", uri, asked)
	}
	return ok
}

func TestF03_AS03_WA4_LoopbackPort(t *testing.T) {
	for registered, cases := range map[string]map[string]bool{
		"http://127.0.0.1/cb": {
			"http://127.0.0.1/cb": true, "http://127.0.0.1:1/cb": true, "http://127.0.0.1:65535/cb": true, "http://127.0.0.1:80/cb": true,
			"http://127.0.0.1:0/cb": false, "http://127.0.0.1:65536/cb": false, "http://127.0.0.1:/cb": false, "http://127.0.0.1:080/cb": false, "http://127.0.0.1:+80/cb": false,
			"http://127.0.0.1:80": false, "http://127.0.0.1:80/": false, "http://127.0.0.1:80/cb/": false, "http://127.0.0.1:80/CB": false, "http://127.0.0.1:80/cb?x": false,
			"http://127.0.0.1:80/cb#x": false, "http://127.0.0.1:80/x/../cb": false, "http://127.0.0.1:80//cb": false,
			"http://localhost/cb": false, "http://localhost:80/cb": false, "http://127.0.0.2/cb": false, "http://127.0.0.2:80/cb": false, "http://[::1]:80/cb": false,
			"http://[::ffff:127.0.0.1]:80/cb": false, "http://127.1:80/cb": false, "http://2130706433:80/cb": false, "http://0177.0.0.1:80/cb": false,
			"http://127.0.0.1.evil.com/cb": false, "http://127.0.0.1.evil.com:80/cb": false, "http://127.0.0.1@evil.com/cb": false, "http://127.0.0.1:80@evil.com/cb": false,
			"http://evil.com@127.0.0.1:80/cb": false, `http://127.0.0.1:80\@evil.com/cb`: false, "http://127.0.0.1:80.evil.com/cb": false, "http://127.0.0.1:80evil.com/cb": false,
			"https://127.0.0.1/cb": false, "https://127.0.0.1:443/cb": false, "HTTP://127.0.0.1:80/cb": false, "http://[127.0.0.1]:80/cb": false, "http://[127.0.0.1]/cb": false, "http:127.0.0.1:80/cb": false,
		},
		"http://127.0.0.1:8080/cb?a=b": {"http://127.0.0.1/cb?a=b": true, "http://127.0.0.1:9/cb?a=b": true, "http://127.0.0.1:9/cb": false, "http://127.0.0.1:9/cb?a=c": false, "http://127.0.0.1:9?a=b": false},
		"http://[::1]/cb":              {"http://[::1]:5/cb": true, "http://[::1]/cb": true, "http://[0:0:0:0:0:0:0:1]:5/cb": false, "http://[::2]:5/cb": false, "http://::1:5/cb": false, "http://[::1%25lo]:5/cb": false, "http://127.0.0.1:5/cb": false},
		"http://localhost:3000/cb":     {"http://localhost:3000/cb": true, "http://localhost:3001/cb": true, "http://localhost/cb": true, "http://localhost:3000/": false, "http://LOCALHOST:3000/cb": false, "http://127.0.0.1:3000/cb": false},
		"http://localhost/callback":    {"http://localhost:58135/callback": true, "http://localhost:58135/callback/": false, "http://localhost:58135/call": false, "http://127.0.0.1:58135/callback": false, "http://[::1]:58135/callback": false},
		"https://localhost/cb":         {"https://localhost/cb": true, "https://localhost:8443/cb": false},
		"https://127.0.0.1:3000/cb":    {"https://127.0.0.1:3000/cb": true, "https://127.0.0.1:3001/cb": false, "http://127.0.0.1:3000/cb": false},
		"http://127.0.0.1":             {"http://127.0.0.1:7": true, "http://127.0.0.1:7/": false, "http://127.0.0.1:7x": false},
		"com.example.app:/cb":          {"com.example.app:/cb": true, "com.example.app:80/cb": false, "com.example.app:/cb/x": false},
	} {
		for uri, want := range cases {
			if got := allows(t, client("https://other.example/", registered), uri); got != want {
				t.Errorf("registered %s, asked for %s: %v", registered, uri, got)
			}
		}
	}
	if allows(t, client(), "") || allows(t, client(), "http://127.0.0.1/cb") {
		t.Error("a client without redirect URIs has one")
	}
}

// tricks are ways in which redirect checks were fooled elsewhere, applied to a
// good URI: none may be taken for it.
func tricks(good string) []string {
	u, err := url.Parse(good)
	if err != nil {
		panic(err)
	}
	scheme, host, rest := u.Scheme+"://", u.Host, strings.TrimPrefix(good, u.Scheme+"://"+u.Host)
	name, port := u.Hostname(), strings.TrimPrefix(host, u.Hostname())
	list := []string{
		// another host
		"//evil.com", "https://evil.com", "https://evil.com" + rest, "//evil.com" + rest, "///evil.com", `\\evil.com`, `/\evil.com`, "https:evil.com", "https:/evil.com", `https:\\evil.com`, "https:///evil.com",
		scheme + "evil.com/" + host + rest, scheme + "evil.com?" + good, scheme + "evil.com#" + good, scheme + "evil.com/?u=" + good, scheme + "evil.com;" + host + rest,
		scheme + host + ".evil.com" + rest, scheme + name + ".evil.com" + port + rest, scheme + "evil." + host + rest, scheme + "evil" + host + rest, scheme + host + "evil.com" + rest, scheme + name + "-evil.com" + rest,
		// userinfo
		scheme + host + "@evil.com" + rest, scheme + host + ":x@evil.com" + rest, scheme + "evil.com@" + host + rest, scheme + "@" + host + rest, scheme + ":@" + host + rest, scheme + host + "%40evil.com" + rest, scheme + host + "%2540evil.com" + rest, scheme + host + `\@evil.com` + rest, scheme + host + "@@evil.com" + rest, scheme + host + "&@evil.com" + rest, scheme + "evil.com%2f@" + host + rest,
		// backslashes, dots, encodings
		scheme + host + `\.evil.com` + rest, scheme + host + `\` + rest, scheme + `evil.com\` + host + rest, scheme + host + "%2eevil.com" + rest, scheme + host + "。evil.com" + rest, scheme + host + "%E3%80%82evil.com" + rest, scheme + host + "%00.evil.com" + rest, scheme + host + "\x00.evil.com" + rest, scheme + host + "%0d%0a.evil.com" + rest, scheme + host + ".%2f" + rest, scheme + host + "." + rest, scheme + "evil.com%23" + host + rest, scheme + "evil.com%3f" + host + rest, scheme + "evil.com%5c" + host + rest, scheme + "evil。com" + rest, scheme + "ⓔⓥⓘⓛ.com" + rest, scheme + strings.ToUpper(host) + rest, strings.ToUpper(scheme) + host + rest,
		// path
		good + "/..", good + "/../evil", good + "/%2e%2e/evil", good + "/%2e%2e%2fevil", good + "/..%2fevil", good + "/..%5cevil", good + "/..;/evil", good + "%2f..", scheme + host + "/x/.." + rest, scheme + host + "/." + rest, scheme + host + "/" + rest, scheme + host + "/evil/.." + rest, good + "/", good + "//", good + "/evil", good + "evil", good + ".evil", good + ";evil", good + "%00", good + "%20", good + "%0a", good + "\n", good + "\r\nLocation: https://evil.com", good + "\t", good + " ", " " + good, "\t" + good, "\n" + good, good + "\\", good + "%", strings.ToUpper(good), scheme + host + strings.ToUpper(rest), scheme + host, scheme + host + "/evil", scheme + host + "/%63b", scheme + host + `\cb`, scheme + host + rest[:len(rest)-1],
		// query and fragment
		good + "?x=y", good + "?", good + "&x=y", good + "#", good + "#evil", good + "?#", good + "?url=https://evil.com", good + "#@evil.com/", good + "?redirect_uri=https://evil.com", good + "?code=x", good + "," + "https://evil.com", good + " https://evil.com", good + "|https://evil.com", good + "%20https://evil.com", "https://evil.com " + good,
		// scheme
		"javascript:" + good, "javascript://" + host + rest + "%0aalert(1)", "data:text/html," + good, "view-source:" + good, "file://" + host + rest, "ftp://" + host + rest, "ws://" + host + rest, "x-" + good, "feed:" + good, "jar:" + good + "!/", "url:" + good, "blob:" + good, "//" + host + rest, host + rest, rest, "", ".", "*", "null",
	}
	if u.Scheme == "http" {
		list = append(list, "https://"+host+rest)
	} else {
		list = append(list, "http://"+host+rest, scheme+name+":443"+rest, scheme+name+":8443"+rest, scheme+name+":80"+rest)
	}
	if name == "localhost" {
		list = append(list, scheme+"127.0.0.1"+rest, scheme+"[::1]"+rest)
	}
	return slices.DeleteFunc(list, func(uri string) bool { return uri == good }) // numbers have no capitals
}

func TestF02_AS03_OpenRedirectTricks(t *testing.T) {
	for _, good := range []string{"https://app.example.com/cb", "http://127.0.0.1:3000/cb", "http://127.0.0.1/cb", "http://[::1]:3000/cb", "http://localhost:3000/cb"} {
		list := tricks(good)
		if len(list) < 100 {
			t.Fatalf("%d tricks only", len(list))
		}
		for _, uri := range list {
			if allows(t, client(good), uri) {
				t.Errorf("registered %s, taken for it: %q", good, uri)
			}
		}
		if !allows(t, client(good), good) {
			t.Errorf("%s isn't taken for itself", good)
		}
	}
}

// WD25: schemes that something else than an app handles are refused, with dots
// too, however they are called.
func TestWD25_SystemSchemes(t *testing.T) {
	for _, scheme := range append(slices.Clone(systemSchemes), "ms-settings", "ms-msdt", "ms-officecmd", "httpx.http-x.ms-y") {
		for _, uri := range []string{scheme + ":/cb", scheme + "://host/cb", scheme + ".x:/cb", "com." + scheme + "://x/cb"} {
			if r, err := ParseRedirect(uri); err == nil {
				t.Errorf("%s is taken for an app's: %v", uri, r)
			}
		}
	}
	for _, scheme := range []string{"cursor", "vscode", "vscode-insiders", "claude", "com.example.app", "com.example.msn"} {
		if _, err := ParseRedirect(scheme + ":/cb"); err != nil {
			t.Error(err)
		}
	}
}

func TestRedirectParts(t *testing.T) {
	for uri, want := range map[string][]string{
		"https://app.example:8443/cb?x=1":   {"app.example", "https://app.example:8443", "app.example:8443", "false"},
		"https://localhost/cb":              {"localhost", "https://localhost", "localhost", "true"},
		"http://[::1]:8123/cb":              {"[::1]", "http://[::1]:8123", "[::1]:8123", "true"},
		"http://127.0.0.1":                  {"127.0.0.1", "http://127.0.0.1", "127.0.0.1", "true"},
		"https://10.0.0.1/":                 {"10.0.0.1", "https://10.0.0.1", "10.0.0.1", "false"},
		"com.example.app:/cb":               {"", "com.example.app:", "com.example.app:", "true"},
		"com.example.app://github.com/oath": {"github.com", "com.example.app:", "com.example.app:", "true"}, // it does not go to github.com
	} {
		r := MustRedirects(uri)[0]
		got := []string{r.Host(), r.Origin(), r.Destination(), fmt.Sprint(r.Local())}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
		var again Redirect
		if text := must(json.Marshal(r)); json.Unmarshal(text, &again) != nil || again != r || string(text) != `"`+uri+`"` {
			t.Errorf("%s, as JSON %s, read again %v", uri, text, again)
		}
	}
	var none, bad Redirect
	if err := json.Unmarshal([]byte(`""`), &none); err != nil || none != (Redirect{}) {
		t.Errorf("nothing was read as %v, %v", none, err)
	}
	if err := json.Unmarshal([]byte(`"http://evil.com/"`), &bad); err == nil || bad != (Redirect{}) {
		t.Errorf("a bad one was read as %v", bad)
	}
}

// FuzzMatchRedirect: what is allowed is a registered URI to the letter, or it
// is one but for the port, on this machine.
func FuzzMatchRedirect(f *testing.F) {
	for _, good := range goodRedirects {
		f.Add(good, good)
		f.Add(good, strings.Replace(good, "127.0.0.1", "127.0.0.1:99", 1))
	}
	for _, uri := range tricks("http://127.0.0.1/cb") {
		f.Add("http://127.0.0.1/cb", uri)
	}
	f.Fuzz(func(t *testing.T, registered, uri string) {
		known, err := ParseRedirect(registered)
		if err != nil || uri == registered {
			return
		}
		if _, ok := (&Metadata{RedirectURIs: []Redirect{known}}).MatchRedirect(uri); !ok {
			return
		}
		if _, err := ParseRedirect(uri); err != nil {
			t.Fatalf("registered %q, allowed %q: %v", registered, uri, err)
		}
		a, b := must(url.Parse(registered)), must(url.Parse(uri))
		addr, _ := netip.ParseAddr(b.Hostname())
		if b.Hostname() != "localhost" && !addr.IsLoopback() || b.Scheme != "http" || b.User != nil || b.Hostname() != a.Hostname() ||
			b.EscapedPath() != a.EscapedPath() || b.RawQuery != a.RawQuery || b.ForceQuery != a.ForceQuery || b.Fragment != "" {
			t.Fatalf("registered %q, allowed %q", registered, uri)
		}
	})
}

// FuzzParseRedirect: what may be registered leads a browser to where Go's
// parser says, and only by the schemes that are meant.
func FuzzParseRedirect(f *testing.F) {
	for _, uri := range slices.Concat(goodRedirects, badRedirects) {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		r, err := ParseRedirect(uri)
		if err != nil {
			return
		}
		if again, err := ParseRedirect(r.String()); err != nil || again != r || r.String() != uri {
			t.Fatalf("%q was read as %q", uri, r)
		}
		u, err := url.Parse(uri)
		if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" || u.String() != uri && u.Host != "" {
			t.Fatalf("accepted %q: %#v, %v", uri, u, err)
		}
		if strings.ContainsAny(uri, "\\*#\r\n\t \"<>") || strings.Contains(u.Path+"/", "/../") || strings.Contains(u.Path+"/", "/./") {
			t.Fatalf("accepted %q", uri)
		}
		addr, _ := netip.ParseAddr(u.Hostname())
		loopback := u.Hostname() == "localhost" || addr.IsLoopback()
		if !(u.Scheme == "https" && u.Host != "" || u.Scheme == "http" && loopback || isPrivateUse(u.Scheme)) {
			t.Fatalf("accepted %q", uri)
		}
	})
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A reader that is used again keeps nothing of what it read before.
func TestRedirectUnmarshalTextBeginsAnew(t *testing.T) {
	redirect := MustRedirects("https://app.example.com/cb")[0]
	if err := redirect.UnmarshalText(nil); err != nil || redirect != (Redirect{}) {
		t.Errorf("got %q, %v", redirect, err)
	}
}

func TestMustRedirectsPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("there was no panic")
		}
	}()
	MustRedirects("https://app.example.com/cb", "javascript:alert(1)")
}

// What a caller wrote comes back to it in an error_description, whose characters
// are limited (RFC 6749, section 5.2), and is cut.
func TestRefusedRedirectIsQuoted(t *testing.T) {
	for uri, want := range map[string]string{
		"a\"b\\c\u202e\x00":     "'a?b?c??'",
		strings.Repeat("é", 80): "'" + strings.Repeat("?", 80) + "'",
		strings.Repeat("x", 81): "'" + strings.Repeat("x", 80) + "...'",
	} {
		_, err := ParseRedirect(uri)
		if err == nil || !strings.Contains(err.Error(), "The redirect URI "+want+" ") {
			t.Errorf("%q: %v, want %s", uri, err, want)
		}
	}
}

func TestWebSchemesAreNotPrivateUse(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		if isPrivateUse(scheme) {
			t.Errorf("%s counts as an application's own scheme", scheme)
		}
	}
}
