package safefetch

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
)

// oracle knows what must never be dialled in another way than the table does:
// by netip's predicates, and by arithmetic where these know nothing.
func oracle(addr netip.Addr) bool {
	if addr.Zone() != "" || addr.Is4In6() || !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return false
	}
	if addr.Is4() {
		b := addr.As4()
		n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		return b[0] != 0 && b[0] < 224 && n>>22 != 100<<2|1 && n>>17 != 198<<7|9 && n>>8 != 192<<16 && n>>8 != 192<<16|2 &&
			n>>8 != 198<<16|51<<8|100 && n>>8 != 203<<16|113 && n>>8 != 192<<16|88<<8|99
	}
	b := addr.As16()
	return b[0]>>5 == 1 && !(b[0] == 0x20 && b[1] == 0x01 && b[2] < 2) && !(b[0] == 0x20 && b[1] == 0x02) &&
		!(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8)
}

// FuzzCheckURL: whatever is accepted, and whatever its name then leads to,
// nothing is dialled that must not be. Nothing leaves the machine: the last
// check before the connection notes the address and refuses it.
func FuzzCheckURL(f *testing.F) {
	for _, raw := range []string{
		"https://example.com/x", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://127.0.0.1/", "https://①②⑦.⓪.⓪.①/",
		"http://localhost:80/", "https://2130706433/", "https://0x7f.1/", "https://[::ffff:127.0.0.1]/", "https://a@127.0.0.1/",
		"https://example.com:80\\@127.0.0.1/", "https://[::1%25lo]/", "https://%31%32%37.0.0.1/", "https://127.0.0.1./", "https://[64:ff9b::1]/",
	} {
		for _, answer := range []string{"127.0.0.1", "8.8.8.8", "::1", "64:ff9b::7f00:1", "169.254.169.254"} {
			f.Add(raw, netip.MustParseAddr(answer).AsSlice())
		}
	}
	f.Fuzz(func(t *testing.T, raw string, answer []byte) {
		u, err := CheckURL(raw, Policy{})
		if err != nil {
			return
		}
		if u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Hostname() == "" {
			t.Fatalf("accepted %q", raw)
		}
		policy := Policy{Resolver: func(context.Context, string) ([]netip.Addr, error) {
			addr, ok := netip.AddrFromSlice(answer)
			if !ok {
				addr = netip.MustParseAddr("127.0.0.1")
			}
			return []netip.Addr{addr}, nil
		}}
		policy.permits = func(addr netip.Addr) bool {
			if policy.permitted(u.Hostname(), u.Port(), addr) && !oracle(addr) {
				t.Errorf("%q would dial %s", raw, addr)
			}
			return false
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, raw, nil)
		if err != nil {
			t.Fatalf("accepted %q, which is not a URL: %v", raw, err)
		}
		if response, err := NewClient(policy).Do(request); err == nil {
			_ = response.Body.Close()
			t.Errorf("%q was fetched", raw)
		}
	})
}
