package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/web/serve"
)

// Exchanges are rows that take more than one request.

func onLoopback(t *Target) (*Answer, error) {
	host, _, err := net.SplitHostPort(t.Addr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, fmt.Errorf("the server listens at %s; want a loopback address", t.Addr)
	}
	return &Answer{Text: "bound to loopback"}, nil
}

// slowly opens many connections, each of which begins with text and then sends
// a byte now and then. The server is started anew with short limits.
func slowly(text string) func(*Target) (*Answer, error) {
	const connections, pause = 100, 20 * time.Millisecond
	return func(t *Target) (*Answer, error) {
		limits := serve.DefaultLimits
		limits.ReadHeader, limits.Read = 500*time.Millisecond, time.Second
		if t.again == nil {
			return nil, errors.New("this row starts the server anew, with short limits, and can't here")
		}
		hasty, stop, err := t.again(func(o *Options) { o.Limits = limits })
		if err != nil {
			return nil, err
		}
		defer stop()
		token, err := hasty.Mint(*alice)
		if err != nil {
			return nil, err
		}
		begin := strings.NewReplacer("{host}", hasty.Addr, "{token}", token).Replace(text)

		var wg sync.WaitGroup
		failures := make(chan error, connections)
		for range connections {
			conn, err := net.DialTimeout("tcp", hasty.Addr, patience)
			if err != nil {
				return nil, err
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				return nil, err
			}
			if _, err := io.WriteString(conn, begin); err != nil {
				return nil, err
			}
			ended := make(chan struct{})
			wg.Go(func() {
				ticks := time.NewTicker(pause)
				defer ticks.Stop()
				for {
					select {
					case <-ended:
						return
					case <-ticks.C:
						// The server closes sooner or later; the reader notices.
						_, _ = io.WriteString(conn, "a")
					}
				}
			})
			wg.Go(func() {
				defer close(ended)
				if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
					failures <- errors.New("a slow connection stayed open")
				}
			})
		}
		good, err := hasty.Send(get("/health"), None)
		if err != nil {
			return nil, err
		}
		wg.Wait()
		close(failures)
		for err := range failures {
			return nil, err
		}
		if good.Status != http.StatusOK {
			return nil, fmt.Errorf("meanwhile others got status %d", good.Status)
		}
		return &Answer{Text: "slow ones closed, others served"}, nil
	}
}

// manyHandshakes introduces itself again and again.
func manyHandshakes(t *Target) (*Answer, error) {
	q := Request{Token: alice, Call: initialize("2025-11-25")}
	for range 100 {
		answer, err := t.Send(q, Legacy)
		if err != nil {
			return nil, err
		}
		if id := answer.Header.Get("Mcp-Session-Id"); id != "" {
			return nil, errors.New("a session was made: " + id)
		}
	}
	return &Answer{Text: "no session was made"}, nil
}

// realClient lets mcp-go's OAuth client, which isn't ours, look for its way to
// a token, as its documentation says to.
func realClient(t *Target) (*Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if answer, err := t.Send(Request{}, None); err != nil || answer.Status == http.StatusNotFound {
		return &Answer{Text: "finds no MCP server"}, err
	}
	request := mcp.InitializeRequest{}
	request.Params.ProtocolVersion = mcp.ProtocolVersion20251125
	request.Params.ClientInfo = mcp.Implementation{Name: "matrix", Version: "1"}
	introduce := func(c *client.Client, err error) error {
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if err := c.Start(ctx); err != nil {
			return err
		}
		_, err = c.Initialize(ctx, request)
		return err
	}
	if err := introduce(client.NewStreamableHttpClient(t.URL + "/mcp")); err == nil {
		return &Answer{Text: "needs no token"}, nil
	}
	err := introduce(client.NewOAuthStreamableHttpClient(t.URL+"/mcp", client.OAuthConfig{
		RedirectURI: "http://localhost:1/callback", PKCEEnabled: true, TokenStore: client.NewMemoryTokenStore(),
	}))
	if !client.IsOAuthAuthorizationRequiredError(err) {
		return nil, fmt.Errorf("the client failed otherwise: %w", err)
	}
	return &Answer{Text: "stops: " + strings.TrimSpace(fmt.Sprint(client.GetOAuthHandler(err).RegisterClient(ctx, "matrix")))}, nil
}

var resourceMetadata = regexp.MustCompile(`resource_metadata="([^"]*)"`)

// statedURLs follows every URL that the server states about itself.
func statedURLs(t *Target) (*Answer, error) {
	refused, err := t.Send(Request{Body: "{}", Headers: []string{jsonType}}, None)
	if err != nil {
		return nil, err
	}
	match := resourceMetadata.FindStringSubmatch(refused.Header.Get("WWW-Authenticate"))
	if match == nil {
		return &Answer{Text: "nothing stated"}, nil
	}
	var resource struct {
		Resource             string
		AuthorizationServers []string `json:"authorization_servers"`
	}
	if err := t.document(match[1], &resource); err != nil {
		return nil, err
	}
	// RFC 9728, section 3.3: it must be what the client called.
	if resource.Resource != t.URL+"/mcp" || len(resource.AuthorizationServers) != 1 {
		return nil, fmt.Errorf("resource document: %+v", resource)
	}
	if t.Provider != nil {
		if resource.AuthorizationServers[0] != t.Provider.Issuer() {
			return nil, fmt.Errorf("resource document: %+v, the issuer is %s", resource, t.Provider.Issuer())
		}
		return &Answer{Text: "leads to the provider"}, nil
	}
	var server struct {
		Issuer  string
		JWKSURI string `json:"jwks_uri"`
	}
	if err := t.document(resource.AuthorizationServers[0]+"/.well-known/oauth-authorization-server", &server); err != nil {
		return nil, err
	}
	// RFC 8414, section 3.3: it must be what the URL was made from.
	if server.Issuer != resource.AuthorizationServers[0] {
		return nil, fmt.Errorf("authorization server document: %+v", server)
	}
	var keySet struct{ Keys []map[string]any }
	if err := t.document(server.JWKSURI, &keySet); err != nil {
		return nil, err
	}
	if len(keySet.Keys) != 1 {
		return nil, fmt.Errorf("the key set has %d keys; want 1", len(keySet.Keys))
	}
	return &Answer{Text: "all of one base"}, nil
}

// document reads a JSON document whose URL must be below the base.
func (t *Target) document(url string, into any) error {
	path, ok := strings.CutPrefix(url, t.URL+"/")
	if !ok {
		return fmt.Errorf("%s is not below %s", url, t.URL)
	}
	answer, err := t.Send(get("/"+path), None)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, answer.Status)
	}
	return json.Unmarshal([]byte(answer.Body), into)
}
