// Package realmproxy puts one realm of an authorization server behind another
// address, which is then its only issuer: metadata, endpoints and tokens all
// name the proxy's base, and what isn't the realm's can't be reached.
//
// A proxy can't change the issuer by itself, since it is signed into every
// token. The upstream must know its public address: Keycloak learns it from
// the X-Forwarded headers (started with --proxy-headers=xforwarded, or with
// --hostname and the base), the embedded server from -url. An upstream that
// doesn't is found out by its metadata (RFC 8414, section 3.3) and not shown.
package realmproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

const (
	maxBody     = 1 << 20 // of a request, in bytes
	maxMetadata = 1 << 20 // of a metadata document or an error to be judged

	dialTimeout   = 5 * time.Second
	headerTimeout = 30 * time.Second // until the upstream begins to answer
	timeout       = time.Minute      // of a whole exchange
	healthTimeout = 3 * time.Second
)

// forwarding are headers by which a client could tell the upstream another
// address or path than the one that it called; only the proxy may. Those that
// net/http/httputil removes by itself are here too.
var forwarding = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server",
	"X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Original-Host", "X-Original-Url", "X-Rewrite-Url", "X-Real-Ip",
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "Front-End-Https", "Ssl-Client-Cert", "X-Client-Cert",
}

type proxy struct {
	upstream *url.URL
	base     *url.URL
	realm    string // its path, as in /realms/mcp-realm
	origins  []string
	forward  *httputil.ReverseProxy
}

// New makes the proxy of a realm. upstream is the provider's address, base the
// proxy's own, both as scheme://host[:port]; origins are those of web pages
// that may call the endpoints, besides those on loopback.
func New(upstream *url.URL, name, base string, origins []string) (http.Handler, error) {
	if upstream == nil {
		return nil, errors.New("the proxy needs the address of the provider")
	}
	address, err := addressOf("upstream", upstream.String())
	if err != nil {
		return nil, err
	}
	own, err := addressOf("base", base)
	if err != nil {
		return nil, err
	}
	if *address == *own {
		return nil, fmt.Errorf("the proxy can't stand before itself: upstream and base are both %s", base)
	}
	if err := realm.CheckName(name); err != nil {
		return nil, err
	}
	p := &proxy{upstream: address, base: own, realm: "/realms/" + name, origins: origins}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: p.modify,
		ErrorHandler:   p.fail,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
		Transport: &http.Transport{
			Proxy:                 nil, // the address is the one that was configured
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: headerTimeout,
			DisableCompression:    true, // pass on what the client asked for
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       30 * time.Second,
		},
	}
	return p, nil
}

// addressOf accepts scheme://host[:port] alone, in the form in which it will be
// compared.
func addressOf(name, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || raw != u.Scheme+"://"+u.Host || raw != strings.ToLower(raw) {
		return nil, fmt.Errorf("%s %q must be scheme://host[:port] in lower case and nothing more, as in http://localhost:9090", name, raw)
	}
	return u, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.isOwnHost(r.Host) {
		jsonreply.Error(w, http.StatusForbidden, "host_not_allowed", "This proxy goes by the name "+p.base.Host+".")
		return
	}
	if r.URL.Path == "/health" {
		p.health(w, r)
		return
	}
	route, known := p.route(r.URL)
	switch {
	case !known:
		jsonreply.Error(w, http.StatusNotFound, "not_found", "This proxy serves the realm at "+p.issuer()+" and nothing else.")
		return
	case !route.allows(r.Method):
		w.Header().Set("Allow", strings.Join(route.methods, ", ")+", OPTIONS")
		jsonreply.Error(w, http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take the method.")
		return
	case r.Method == http.MethodOptions:
		p.preflight(w, r, route)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), routeKey{}, route), timeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.forward.ServeHTTP(w, r)
}

// isOwnHost tells whether a request was meant for the proxy: under its name,
// or a loopback address with its port where that is what its name means. Any
// other name leads here by DNS rebinding.
func (p *proxy) isOwnHost(host string) bool {
	if strings.EqualFold(host, p.base.Host) {
		return true
	}
	if p.base.Hostname() != "localhost" {
		return false
	}
	name, port, err := net.SplitHostPort(host)
	addr, addrErr := netip.ParseAddr(name)
	return err == nil && addrErr == nil && addr.IsLoopback() && port == p.base.Port()
}

// issuer is the realm's issuer identifier, as clients must see it.
func (p *proxy) issuer() string { return p.base.String() + p.realm }

// health asks the provider, since without it the proxy is of no use.
func (p *proxy) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.upstream.String()+p.realm, nil)
	if err == nil {
		var response *http.Response
		if response, err = p.forward.Transport.RoundTrip(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", response.StatusCode)
			}
		}
	}
	status, said := http.StatusOK, "ok"
	if err != nil {
		slog.WarnContext(r.Context(), "the provider is not well", "upstream", p.upstream.String(), "err", err)
		status, said = http.StatusServiceUnavailable, "degraded"
	}
	w.Header().Set("Cache-Control", "no-store")
	jsonreply.Write(w, status, map[string]string{"status": said, "issuer": p.issuer(), "upstream": p.upstream.String()})
}

// fail answers for an upstream that doesn't.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	var large *http.MaxBytesError
	var wrong *wrongIssuerError
	switch {
	case errors.As(err, &large):
		jsonreply.Error(w, http.StatusRequestEntityTooLarge, "invalid_request", "The body is too large.")
	case errors.As(err, &wrong):
		slog.ErrorContext(r.Context(), "the provider states another address", "upstream", p.upstream.String(), "member", wrong.member, "stated", wrong.stated)
		jsonreply.Error(w, http.StatusBadGateway, "wrong_issuer",
			"The provider at "+p.upstream.String()+" does not call itself "+p.issuer()+", so its tokens would not either. Start Keycloak with --hostname="+p.base.String()+" or --proxy-headers=xforwarded, the embedded server with -url "+p.base.String()+".")
	case r.Context().Err() == context.Canceled:
		// Nobody is left to answer.
	default:
		slog.WarnContext(r.Context(), "the provider did not answer", "upstream", p.upstream.String(), "err", err)
		status := http.StatusBadGateway
		if errors.Is(err, context.DeadlineExceeded) {
			status = http.StatusGatewayTimeout
		}
		jsonreply.Error(w, status, "bad_gateway", "The provider at "+p.upstream.String()+" did not answer. Is it running?")
	}
}
