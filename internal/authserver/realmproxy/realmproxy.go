// Package realmproxy puts one realm of an authorization server behind another
// address, which is then its only issuer: metadata, endpoints and tokens all
// name the proxy's base, and nothing outside the realm can be reached.
//
// A proxy can't change the issuer by itself, since it is signed into every
// token. The upstream must know its public address: Keycloak learns it from
// the X-Forwarded headers (started with --proxy-headers=xforwarded, or with
// --hostname and the base), the embedded server from -url. If an upstream
// doesn't, its metadata shows it (RFC 8414, section 3.3) and is not passed on.
//
//	handler, err := realmproxy.New(realmproxy.Config{
//		Upstream: "http://localhost:8080", Realm: "mcp-realm", Base: "http://localhost:9090",
//	})
package realmproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/caller"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
	"mcp-auth-step-by-step/internal/web/loopback"
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
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Uri", "X-Forwarded-Path",
	"X-Original-Host", "X-Original-Url", "X-Rewrite-Url", "X-Real-Ip",
	SecretHeader,
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "Front-End-Https", "Ssl-Client-Cert", "X-Client-Cert",
}

type proxy struct {
	upstream *url.URL
	base     *url.URL
	realm    string // its path, as in /realms/mcp-realm
	origins  []string
	caller   func(*http.Request) netip.Addr
	secret   string
	forward  *httputil.ReverseProxy
}

// Config says what a proxy stands in front of.
type Config struct {
	Upstream string // the provider's address, as scheme://host[:port]
	Realm    string // its name
	Base     string // the proxy's own address, as scheme://host[:port]
	// Origins are those of web pages that may call the endpoints, besides those
	// on loopback.
	Origins []string
	// Caller says from where a request comes, which the upstream is told in
	// X-Forwarded-For; nil: the other end of the connection.
	Caller func(*http.Request) netip.Addr
	// Secret is sent to the upstream in [SecretHeader], so that the upstream can
	// tell this proxy from others that reach its port; empty: none is sent.
	Secret string
}

// SecretHeader is the header for [Config.Secret]. It is removed from what clients
// send.
const SecretHeader = "X-Realm-Proxy-Secret"

// New makes the proxy of a realm.
func New(c Config) (http.Handler, error) {
	address, err := baseurl.ParseOrigin("the provider's address", c.Upstream)
	if err != nil {
		return nil, err
	}
	own, err := baseurl.ParseOrigin("the proxy's address", c.Base)
	if err != nil {
		return nil, err
	}
	if baseurl.SameOrigin(address, own) {
		return nil, fmt.Errorf("the proxy and the provider can't have the same address: both are %s", c.Base)
	}
	if err := realm.CheckName(c.Realm); err != nil {
		return nil, err
	}
	p := &proxy{upstream: address, base: own, realm: "/realms/" + c.Realm, origins: c.Origins, caller: c.Caller, secret: c.Secret}
	if p.caller == nil {
		p.caller = caller.Proxies{}.Address
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: p.modify,
		ErrorHandler:   p.fail,
		ErrorLog:       log.New(io.Discard, "", 0), // fail logs why there is no answer
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

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.isOwnHost(r.Host) {
		jsonreply.Error(w, http.StatusForbidden, "host_not_allowed", "This proxy's name is "+p.base.Host+". Use that address.")
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

// isOwnHost reports whether a request was meant for the proxy: it has the
// proxy's name, or if that is localhost, a loopback address with its port. Any
// other name leads here by DNS rebinding.
func (p *proxy) isOwnHost(host string) bool {
	if strings.EqualFold(host, p.base.Host) {
		return true
	}
	name, port, err := net.SplitHostPort(host)
	return err == nil && p.base.Hostname() == "localhost" && loopback.Host(name) && port == p.base.Port()
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
		logging.FromContext(r.Context()).Warn("the provider's realm can't be read", "upstream", p.upstream.String(), logging.Error(err))
		status, said = http.StatusServiceUnavailable, "degraded"
	}
	w.Header().Set("Cache-Control", "no-store")
	jsonreply.Write(w, status, map[string]string{"status": said, "issuer": p.issuer(), "upstream": p.upstream.String()})
}

// fail answers for an upstream that doesn't.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	var large *http.MaxBytesError
	var wrong *wrongIssuerError
	log := logging.FromContext(r.Context())
	switch {
	case errors.As(err, &large):
		jsonreply.Error(w, http.StatusRequestEntityTooLarge, "invalid_request", "The body is too large.")
	case errors.As(err, &wrong):
		log.Error("the provider states another address", "upstream", p.upstream.String(), "member", wrong.member, "stated", wrong.stated)
		jsonreply.Error(w, http.StatusBadGateway, "wrong_issuer", p.wrongIssuer())
	case r.Context().Err() == context.Canceled:
		// Nobody is left to answer.
	default:
		log.Warn("the provider did not answer", "upstream", p.upstream.String(), logging.Error(err))
		status := http.StatusBadGateway
		if errors.Is(err, context.DeadlineExceeded) {
			status = http.StatusGatewayTimeout
		}
		jsonreply.Error(w, status, "bad_gateway", "The provider at "+p.upstream.String()+" did not answer. Is it running?")
	}
}

// wrongIssuer says how to start a provider that doesn't know its public address.
func (p *proxy) wrongIssuer() string {
	return fmt.Sprintf("The provider at %s does not call itself %s, so its tokens would not either. "+
		"Start Keycloak with --hostname=%s or --proxy-headers=xforwarded, the embedded server with -url %s.",
		p.upstream, p.issuer(), p.base, p.base)
}
