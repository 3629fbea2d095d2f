package safefetch

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// trap is a server on loopback that counts who gets to it.
func trap(t *testing.T, handler http.HandlerFunc) (server *httptest.Server, hits *atomic.Int32) {
	t.Helper()
	hits = new(atomic.Int32)
	server = httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			hits.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, hits
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }

// resolves returns a resolver with one answer after another; the last stays.
func resolves(answers ...[]netip.Addr) func(context.Context, string) ([]netip.Addr, error) {
	var asked atomic.Int32
	return func(context.Context, string) ([]netip.Addr, error) {
		n := min(int(asked.Add(1)), len(answers))
		return answers[n-1], nil
	}
}

func addrs(list ...string) (found []netip.Addr) {
	for _, s := range list {
		found = append(found, netip.MustParseAddr(s))
	}
	return found
}

func roots(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

func portOf(server *httptest.Server) string {
	u, _ := url.Parse(server.URL)
	return u.Port()
}

// forbidden is attacks.md's list, and the edges of each block.
var forbidden = []string{
	"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "0.255.255.255",
	"169.254.169.254", "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
	"100.64.0.0", "100.100.100.200", "100.127.255.255", "192.0.0.0", "192.0.0.192", "192.0.0.255", "192.88.99.1",
	"198.18.0.1", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.31.196.1", "192.52.193.1", "192.175.48.1",
	"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:0:7f00:1::",
	"2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::1", "2001:db8::1", "3fff::1", "3fff:fff::1", "5f00::1", "2620:4f:8000::1",
	"fec0::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "ff0e::1", "100::1", "::7f00:1", "::ffff:0:7f00:1",
	"::ffff:8.8.8.8", "fe80::1%eth0", "2606:4700::1%eth0", "4000::1",
}

var public = []string{
	"8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
	"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.167.255.255", "192.169.0.0",
	"198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00::1", "2003::1", "3ffe::1",
}

func permitted(p Policy, host, addr string) bool {
	return p.permitted(host, "443", netip.MustParseAddr(addr))
}

func TestH06_AS09_Table(t *testing.T) {
	for _, s := range forbidden {
		if permitted(Policy{}, "example.com", s) || permitted(Policy{Loopback: true}, "example.com", s) || permitted(Policy{}, "localhost", s) {
			t.Errorf("%s may be dialled", s)
		}
	}
	for _, s := range public {
		if !permitted(Policy{}, "example.com", s) {
			t.Errorf("%s may not be dialled", s)
		}
	}
}

// With Loopback, hosts on this machine lead to it and to nowhere else; other
// hosts lead nowhere new (WA3).
func TestI01_MC13_WA3_WE3_LoopbackOpensLittle(t *testing.T) {
	opened := map[string]bool{"127.0.0.1": true, "127.255.255.255": true, "::1": true}
	for _, s := range append(forbidden, public...) {
		for _, host := range []string{"localhost", "LocalHost", "127.0.0.1", "::1"} {
			if got := permitted(Policy{Loopback: true}, host, s); got != opened[s] {
				t.Errorf("%s at %s: %v", host, s, got)
			}
		}
		for _, host := range []string{"example.com", "app.localhost", "localhost.", "::ffff:127.0.0.1", "8.8.8.8"} {
			if got := permitted(Policy{Loopback: true}, host, s); got != permitted(Policy{}, host, s) {
				t.Errorf("%s at %s: %v", host, s, got)
			}
		}
	}
}

// A private origin may lead into the private networks, and to no place where
// clouds keep their credentials; other origins may not.
func TestWB6_PrivateOpensOneOrigin(t *testing.T) {
	opened := map[string]bool{
		"10.0.0.0": true, "10.255.255.255": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.0.1": true, "fc00::1": true,
	}
	p := Policy{Private: []string{"https://intranet.example:8443"}}
	for _, s := range forbidden {
		addr := netip.MustParseAddr(s)
		if got := p.permitted("Intranet.example", "8443", addr); got != opened[s] {
			t.Errorf("%s: %v", s, got)
		}
		if p.permitted("intranet.example", "443", addr) || p.permitted("other.example", "8443", addr) {
			t.Errorf("another origin leads to %s", s)
		}
	}
	if !p.permitted("intranet.example", "8443", netip.MustParseAddr("8.8.8.8")) {
		t.Error("it may not lead to a public address")
	}
	p = Policy{Private: []string{"https://10.0.0.1:443", "http://10.0.0.2:80"}}
	for raw, want := range map[string]error{"https://10.0.0.1/x": nil, "https://10.0.0.2/": ErrAddress, "http://10.0.0.1/": ErrURL, "http://10.0.0.2/": ErrURL} {
		if _, err := CheckURL(raw, p); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", raw, err, want)
		}
	}
}

// A name that leads to any of these is refused when it is dialled: nothing
// arrives at the trap, which would have answered.
func TestH06_I01_NamesAreCheckedWhenDialled(t *testing.T) {
	server, hits := trap(t, ok)
	for _, s := range forbidden {
		if s == "::ffff:8.8.8.8" {
			continue // the dialer takes it for the public address that it holds
		}
		client := NewClient(Policy{Resolver: resolves(addrs(s)), RootCAs: roots(server)})
		_, _, err := Get(t.Context(), client, "https://example.com:"+portOf(server)+"/x", 100)
		if !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", s, err)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the trap was hit %d times", hits.Load())
	}
	// With Loopback a name doesn't lead there either, however it is called.
	for _, host := range []string{"example.com", "app.localhost"} {
		client := NewClient(Policy{Loopback: true, Resolver: resolves(addrs("127.0.0.1")), RootCAs: roots(server)})
		if _, _, err := Get(t.Context(), client, "https://"+host+":"+portOf(server)+"/x", 100); !errors.Is(err, ErrAddress) || hits.Load() != 0 {
			t.Errorf("%s with Loopback: %v, %d hits", host, err, hits.Load())
		}
	}
	// The trap works: under its own name it is reached.
	client := NewClient(Policy{Loopback: true, RootCAs: roots(server)})
	if _, _, err := Get(t.Context(), client, server.URL, 100); err != nil || hits.Load() != 1 {
		t.Errorf("with Loopback: %v, %d hits", err, hits.Load())
	}
}

// rebound lets 127.0.0.2 play the public address and 127.0.0.1 the private one.
func rebound(p Policy) Policy {
	p.permits = func(addr netip.Addr) bool { return addr == netip.MustParseAddr("127.0.0.2") }
	return p
}

func TestH06_I01_Rebinding(t *testing.T) {
	server, hits := trap(t, ok)
	private := addrs("127.0.0.1")
	elsewhere, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("no second loopback address here: ", err)
	}
	other := &httptest.Server{Listener: elsewhere, Config: &http.Server{Handler: http.HandlerFunc(ok)}}
	other.StartTLS()
	defer other.Close()
	pool := roots(server)
	pool.AddCert(other.Certificate())

	t.Run("second answer", func(t *testing.T) {
		client := NewClient(rebound(Policy{Resolver: resolves(addrs("127.0.0.2"), private), RootCAs: pool}))
		get := func() error {
			_, _, err := Get(t.Context(), client, "https://example.com:"+portOf(other)+"/x", 100)
			client.CloseIdleConnections()
			return err
		}
		if err := get(); err != nil {
			t.Fatalf("the public address: %v", err)
		}
		if err := get(); !errors.Is(err, ErrAddress) {
			t.Errorf("the private one: %v", err)
		}
	})
	t.Run("same answer", func(t *testing.T) {
		// Nobody listens on this port of the public address, so the dialer goes on.
		client := NewClient(rebound(Policy{Resolver: resolves(addrs("127.0.0.2", "127.0.0.1")), RootCAs: pool}))
		if _, _, err := Get(t.Context(), client, "https://example.com:"+portOf(server)+"/x", 100); !errors.Is(err, ErrAddress) {
			t.Errorf("%v", err)
		}
	})
	if hits.Load() != 0 {
		t.Errorf("the trap was hit %d times", hits.Load())
	}
}

// Without TLS a request must stay on the machine, also where the name localhost
// leads elsewhere.
func TestMC13_PlainHTTPStaysOnLoopback(t *testing.T) {
	for _, target := range []string{"10.0.0.1", "fd00::1", "8.8.8.8"} {
		client := NewClient(Policy{Loopback: true, Resolver: resolves(addrs(target))})
		if _, _, err := Get(t.Context(), client, "http://localhost:1/x", 100); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", target, err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(ok))
	defer server.Close()
	if _, _, err := Get(t.Context(), NewClient(Policy{Loopback: true}), server.URL, 100); err != nil {
		t.Errorf("http to loopback: %v", err)
	}
	if _, _, err := Get(t.Context(), NewClient(Policy{}), server.URL, 100); !errors.Is(err, ErrURL) {
		t.Errorf("http to loopback, strict: %v", err)
	}
}

func TestAS09_I01_NoRedirects(t *testing.T) {
	target, hits := trap(t, ok)
	for _, status := range []int{301, 302, 303, 307, 308} {
		server, _ := trap(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, status) })
		client := NewClient(Policy{Loopback: true, RootCAs: roots(server)})
		if _, _, err := Get(t.Context(), client, server.URL, 100); !errors.Is(err, ErrStatus) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("followed %d times", hits.Load())
	}
}

func TestAS09_NoProxyFromTheEnvironment(t *testing.T) {
	proxy, hits := trap(t, ok)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	if NewClient(Policy{}).Transport.(*guarded).next.Proxy != nil {
		t.Error("there is a proxy")
	}
	client := NewClient(Policy{Resolver: resolves(addrs("127.0.0.1"))})
	if _, _, err := Get(t.Context(), client, "https://example.com/x", 100); !errors.Is(err, ErrAddress) || hits.Load() != 0 {
		t.Errorf("%v, %d hits", err, hits.Load())
	}
}

func TestAS09_WB11_Caps(t *testing.T) {
	release := make(chan struct{})
	server, _ := trap(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/100", "/101", "/70000":
			var n int
			_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)
			_, _ = w.Write(make([]byte, n))
		case "/endless":
			for i := 0; i < 10_000; i++ {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		case "/headers":
			w.Header().Set("X-Filler", strings.Repeat("x", 100<<10))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = gzip.NewWriter(w).Write(make([]byte, 1<<20))
		case "/slow", "/slow-body":
			if r.URL.Path == "/slow-body" {
				_ = http.NewResponseController(w).Flush()
			}
			<-release
		case "/asked":
			fmt.Fprintf(w, "%q %q", r.Header["Accept-Encoding"], r.Header["Cookie"])
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	})
	defer close(release)
	policy := Policy{Loopback: true, RootCAs: roots(server), Timeout: time.Minute}
	client := NewClient(policy)
	policy.Timeout = 300 * time.Millisecond
	hurried := NewClient(policy)
	get := func(path string, limit int64) (string, error) {
		client := client
		if strings.HasPrefix(path, "/slow") {
			client = hurried
		}
		body, _, err := Get(t.Context(), client, server.URL+path, limit)
		return string(body), err
	}
	if body, err := get("/100", 100); err != nil || len(body) != 100 {
		t.Errorf("as large as allowed: %d bytes, %v", len(body), err)
	}
	for path, want := range map[string]error{
		"/101": ErrTooLarge, "/endless": ErrTooLarge, "/bomb": ErrEncoding, "/other": ErrStatus,
		"/slow": context.DeadlineExceeded, "/slow-body": context.DeadlineExceeded,
	} {
		if _, err := get(path, 100); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, err := get("/70000", 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the policy's cap: %v", err)
	}
	if _, err := get("/headers", 100); err == nil {
		t.Error("100 KiB of headers were read")
	}
	for range 2 {
		if body, err := get("/asked", 100); err != nil || body != `["identity"] []` {
			t.Errorf("WB11: asked for a compressed body, or kept a cookie: %s, %v", body, err)
		}
	}
}

func TestH05_I01_MC13_CheckURL(t *testing.T) {
	strict, loopback := Policy{}, Policy{Loopback: true}
	for raw, want := range map[string]struct{ strict, loopback error }{
		"https://example.com/x":                    {nil, nil},
		"https://example.com":                      {nil, nil},
		"https://Example.com:8443/x?a=b":           {nil, nil},
		"https://8.8.8.8/":                         {nil, nil},
		"https://[2606:4700::1111]:443/":           {nil, nil},
		"https://xn--bcher-kva.example/":           {nil, nil},
		"http://localhost:9000/mcp":                {ErrURL, nil},
		"http://127.0.0.1:9000/mcp":                {ErrURL, nil},
		"http://[::1]:9000/mcp":                    {ErrURL, nil},
		"https://localhost/":                       {ErrAddress, nil},
		"https://LOCALHOST/":                       {ErrAddress, nil},
		"https://a.localhost/":                     {nil, nil}, // a name: where it leads shows when it is dialled
		"http://a.localhost/":                      {ErrURL, ErrURL},
		"https://127.0.0.1/":                       {ErrAddress, nil},
		"https://10.0.0.1/":                        {ErrAddress, ErrAddress},
		"https://169.254.169.254/":                 {ErrAddress, ErrAddress},
		"https://[fd00:ec2::254]/":                 {ErrAddress, ErrAddress},
		"https://[64:ff9b::7f00:1]/":               {ErrAddress, ErrAddress},
		"http://10.0.0.1/":                         {ErrURL, ErrURL},
		"https://example.com/é":                    {ErrURL, ErrURL},
		"https://example.com/?\x7f":                {ErrURL, ErrURL},
		"http://example.com/":                      {ErrURL, ErrURL},
		"http://localhost.evil.com/":               {ErrURL, ErrURL},
		"file:///etc/passwd":                       {ErrURL, ErrURL},
		"gopher://example.com/":                    {ErrURL, ErrURL},
		"javascript:alert(1)":                      {ErrURL, ErrURL},
		"//example.com/":                           {ErrURL, ErrURL},
		"/x":                                       {ErrURL, ErrURL},
		"":                                         {ErrURL, ErrURL},
		"https:///x":                               {ErrURL, ErrURL},
		"https:example.com":                        {ErrURL, ErrURL},
		"HTTPS://example.com/":                     {ErrURL, ErrURL},
		"https://user@example.com/":                {ErrURL, ErrURL},
		"https://user:pw@example.com/":             {ErrURL, ErrURL},
		"https://@example.com/":                    {ErrURL, ErrURL},
		"https://example.com/#x":                   {ErrURL, ErrURL},
		"https://example.com/#":                    {ErrURL, ErrURL},
		"https://example.com./":                    {ErrURL, ErrURL},
		"https://example..com/":                    {ErrURL, ErrURL},
		"https://①②⑦.⓪.⓪.①/":                       {ErrURL, ErrURL},
		"https://%E2%91%A0%E2%91%A1/":              {ErrURL, ErrURL},
		"https://127.0.0.1\uff0e/":                 {ErrURL, ErrURL},
		"https://exa\u3002mple/":                   {ErrURL, ErrURL},
		"https://2130706433/":                      {ErrURL, ErrURL},
		"https://0x7f000001/":                      {ErrURL, ErrURL},
		"https://127.1/":                           {ErrURL, ErrURL},
		"https://0177.0.0.1/":                      {ErrURL, ErrURL},
		"https://127.0.0.0x1/":                     {ErrURL, ErrURL},
		"https://[::ffff:127.0.0.1]/":              {ErrURL, ErrURL},
		"https://[::ffff:8.8.8.8]/":                {ErrURL, ErrURL},
		"https://[fe80::1%25eth0]/":                {ErrURL, ErrURL},
		"https://example.com:/":                    {ErrURL, ErrURL},
		"https://example.com:0/":                   {ErrURL, ErrURL},
		"https://example.com:65536/":               {ErrURL, ErrURL},
		"https://example.com:0443/":                {ErrURL, ErrURL},
		"https://example.com:443:80/":              {ErrURL, ErrURL},
		`https://example.com\@evil.com/`:           {ErrURL, ErrURL},
		"https://example.com/\r\nHost: x":          {ErrURL, ErrURL},
		"https://example.com/a b":                  {ErrURL, ErrURL},
		" https://example.com/":                    {ErrURL, ErrURL},
		"https://example.com/\x00":                 {ErrURL, ErrURL},
		"https://-a.example/":                      {ErrURL, ErrURL},
		"https://a/" + strings.Repeat("x", maxURL): {ErrURL, ErrURL},
	} {
		for policy, want := range map[*Policy]error{&strict: want.strict, &loopback: want.loopback} {
			u, err := CheckURL(raw, *policy)
			if !errors.Is(err, want) || (err == nil) != (want == nil) || (u == nil) == (err == nil) {
				t.Errorf("%.60q, loopback %v: %v, want %v", raw, policy.Loopback, err, want)
			}
		}
	}
}

// A client holds to the policy, also where nobody called CheckURL.
func TestMC13_ClientChecksTheURL(t *testing.T) {
	server, hits := trap(t, ok)
	request := httptest.NewRequest(http.MethodPost, server.URL, strings.NewReader("x"))
	request.RequestURI = ""
	if _, err := NewClient(Policy{RootCAs: roots(server)}).Do(request); !errors.Is(err, ErrAddress) || hits.Load() != 0 {
		t.Errorf("%v, %d hits", err, hits.Load())
	}
}
