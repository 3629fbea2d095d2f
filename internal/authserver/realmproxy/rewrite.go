package realmproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"

	"mcp-auth-step-by-step/internal/web/baseurl"
)

// rewrite makes the upstream's request out of the client's.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	to := routeOf(r.In)
	r.SetURL(p.upstream) // the Host is the upstream's; ours is in X-Forwarded-Host
	r.Out.URL.Path, r.Out.URL.RawPath = to.path, ""
	h := r.Out.Header
	for _, name := range forwarding {
		h.Del(name)
	}
	// Underscores count as hyphens to some servers.
	for name := range h {
		if strings.Contains(name, "_") {
			delete(h, name)
		}
	}
	h.Del("Te")
	h.Del("Connection") // no change of protocol
	h.Del("Upgrade")
	h.Set("X-Forwarded-For", p.caller(r.In).String())
	if p.secret != "" {
		h.Set(SecretHeader, p.secret)
	}
	h.Set("X-Forwarded-Host", p.base.Host)
	h.Set("X-Forwarded-Proto", p.base.Scheme)
	h.Set("X-Forwarded-Port", baseurl.Port(p.base))
	if to.metadata {
		h.Del("Accept-Encoding") // it will be read here
	}
}

// modify makes the client's answer out of the upstream's.
func (p *proxy) modify(response *http.Response) error {
	to, h := routeOf(response.Request), response.Header
	// The upstream's CORS headers are about its own address. Browsers refuse an
	// answer that has one of them twice.
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	p.allow(h, response.Request.Header.Get("Origin"), to.readers)
	if location := h.Get("Location"); location != "" {
		h.Set("Location", p.public(location))
	}
	if cookies := h["Set-Cookie"]; cookies != nil {
		h["Set-Cookie"] = ownCookies(cookies)
	}
	if to.metadata && response.StatusCode == http.StatusOK && response.Request.Method != http.MethodHead {
		return p.checkMetadata(response)
	}
	return nil
}

// public turns a URL of the upstream into the proxy's. Anything else, such as
// the client's redirect URI, stays as it is.
func (p *proxy) public(location string) string {
	rest, ok := strings.CutPrefix(location, p.upstream.String())
	if ok && (rest == "" || strings.ContainsRune("/?#", rune(rest[0]))) {
		return p.base.String() + rest
	}
	return location
}

// ownCookies takes the Domain out of cookies: they belong to the address that
// the browser called, and to no others of its domain.
func ownCookies(lines []string) []string {
	var kept []string
	for _, line := range lines {
		attributes := strings.Split(line, ";")
		own := attributes[:1]
		for _, attribute := range attributes[1:] {
			name, _, _ := strings.Cut(strings.TrimSpace(attribute), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "Domain") {
				own = append(own, attribute)
			}
		}
		kept = append(kept, strings.Join(own, ";"))
	}
	return kept
}

// wrongIssuerError says that the upstream states an address that is not the
// proxy's.
type wrongIssuerError struct{ member, stated string }

func (e *wrongIssuerError) Error() string {
	return fmt.Sprintf("the provider's %s is %.100q", e.member, e.stated)
}

// checkMetadata lets metadata pass that is the proxy's: the issuer to the
// letter (RFC 8414, section 3.3), and every URL below the base. Another one
// would lead clients around the proxy, with tokens of another issuer.
func (p *proxy) checkMetadata(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxMetadata+1))
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	var document map[string]any
	if len(body) > maxMetadata || json.Unmarshal(body, &document) != nil {
		return fmt.Errorf("the provider's metadata is not a JSON object, or is larger than %d bytes", maxMetadata)
	}
	if stated, _ := document["issuer"].(string); stated != p.issuer() {
		return &wrongIssuerError{"issuer", stated}
	}
	return p.checkURLs("", document)
}

// checkURLs looks for endpoints at another address, also in objects inside such
// as mtls_endpoint_aliases.
func (p *proxy) checkURLs(name string, value any) error {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if err := p.checkURLs(name, member); err != nil {
				return err
			}
		}
	case string:
		endpoint := strings.HasSuffix(name, "_endpoint") || name == "jwks_uri"
		if endpoint && !strings.HasPrefix(v, p.base.String()+"/") {
			return &wrongIssuerError{name, v}
		}
	}
	return nil
}
