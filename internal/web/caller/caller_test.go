package caller

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// WD2: behind a trusted proxy each caller has a limit of its own, and nobody
// chooses whose.
func TestWD2_Address(t *testing.T) {
	proxies, err := ParseProxies("10.0.0.0/8, 192.0.2.7,2001:db8::/32")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		remote string
		header []string
		want   string
	}{
		"no proxy":                    {"203.0.113.9:1", nil, "203.0.113.9"},
		"peer is not trusted":         {"203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		"one proxy":                   {"10.1.2.3:1", []string{"198.51.100.1"}, "198.51.100.1"},
		"forged left of the true one": {"10.1.2.3:1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"forged in a line of its own": {"10.1.2.3:1", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		"two trusted proxies":         {"10.1.2.3:1", []string{"198.51.100.1, 192.0.2.7"}, "198.51.100.1"},
		"trusted ones alone":          {"10.1.2.3:1", []string{"10.9.9.9"}, "10.1.2.3"},
		"not an address":              {"10.1.2.3:1", []string{"198.51.100.1, unknown"}, "10.1.2.3"},
		"address with a port":         {"10.1.2.3:1", []string{"198.51.100.1:80"}, "10.1.2.3"},
		"empty":                       {"10.1.2.3:1", []string{""}, "10.1.2.3"},
		"empty last element":          {"10.1.2.3:1", []string{"198.51.100.1,"}, "10.1.2.3"},
		"a zone":                      {"10.1.2.3:1", []string{"fe80::1%eth0"}, "10.1.2.3"},
		"IPv4 in IPv6":                {"[::ffff:10.1.2.3]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"trusted, written as IPv6":    {"10.1.2.3:1", []string{"198.51.100.1, ::ffff:10.4.4.4"}, "198.51.100.1"},
		"IPv6":                        {"[2001:db8::1]:1", []string{"2606:4700::5"}, "2606:4700::5"},
		"no header":                   {"10.1.2.3:1", nil, "10.1.2.3"},
		"a socket file":               {"@", []string{"198.51.100.1"}, "invalid IP"},
		"a long list of trusted ones": {"10.1.2.3:1", []string{strings.Repeat("10.0.0.1,", 2000) + "10.0.0.1"}, "10.1.2.3"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{Header: c.header, "Forwarded": {"for=1.2.3.4"}, "X-Real-Ip": {"1.2.3.4"}}}
		if got := proxies.Address(r).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{Header: {"1.1.1.1"}}}
	if got := (Proxies{}).Address(r).String(); got != "127.0.0.1" {
		t.Errorf("the zero value trusts %s", got)
	}
}

func TestParseProxies(t *testing.T) {
	for list, ok := range map[string]bool{
		"": true, "127.0.0.1": true, "::1": true, "10.0.0.0/8,": true,
		"0.0.0.0/0": false, "::/0": false, "proxy.example": false, "10.0.0.0/33": false, "fe80::1%eth0": false, "::ffff:10.0.0.0/104": false,
	} {
		p, err := ParseProxies(list)
		if (err == nil) != ok || err != nil && p.Any() {
			t.Errorf("%q: %v", list, err)
		}
	}
	if p, _ := ParseProxies("127.0.0.1"); !p.Any() || (Proxies{}).Any() {
		t.Error("Any")
	}
}

func TestGroup(t *testing.T) {
	for addr, want := range map[string]string{
		"198.51.100.1": "198.51.100.1", "::ffff:198.51.100.1": "198.51.100.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "::1": "::/64",
	} {
		if got := Group(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
