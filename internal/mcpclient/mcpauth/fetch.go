package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/safefetch"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// parseResourceURL reads the URL of the MCP server, as the user gave it, into
// the one form that this package uses: host in lower case, no default port, and
// a path (RFC 9110, section 4.2.3). It wants https, or http to loopback.
func parseResourceURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: %.200q is not a URL of an MCP server; want https://host[:port]/path", ErrURL, raw)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%w: remove the user name and everything after # from %.200q", ErrURL, u.Redacted())
	case !safefetch.ValidAuthority(u):
		return nil, fmt.Errorf("%w: the host or port of %.200q is not valid", ErrURL, raw)
	case !baseurl.Secure(u):
		return nil, fmt.Errorf("%w: http to %s would send tokens without encryption; use https", ErrURL, u.Host)
	}
	u.Host = strings.ToLower(u.Host)
	if u.Port() == baseurl.Port(&url.URL{Scheme: u.Scheme}) {
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// canonical is a server URL in the form of [parseResourceURL], for comparison.
func canonical(raw string) string {
	u, err := parseResourceURL(raw)
	if err != nil {
		return raw
	}
	return u.String()
}

// newBase is the transport to the MCP server. A server that is named by http is
// on this machine, and stays there whatever a resolver says.
func newBase(server *url.URL) http.RoundTripper {
	base := http.DefaultTransport.(*http.Transport).Clone()
	if server.Scheme == "http" {
		base.Proxy = nil
		base.DialContext = (&net.Dialer{Timeout: fetchTimeout, ControlContext: loopback.Control}).DialContext
	}
	return base
}

// fetcher gets what others name.
type fetcher struct {
	client *http.Client
	policy safefetch.Policy
}

const (
	fetchTimeout = 20 * time.Second
	maxDocument  = 256 << 10 // bytes of a metadata document or a token response
)

func newFetcher(c Config, server *url.URL, observer *observer) *fetcher {
	policy := safefetch.Policy{
		Loopback: loopback.URL(server), Private: slices.Concat([]string{baseurl.Origin(server)}, c.PrivateOrigins),
		Timeout: fetchTimeout, MaxBytes: maxDocument, Resolver: c.Resolver, Proxy: c.Proxy,
	}
	client := safefetch.NewClient(policy)
	client.Transport = &tracedTransport{next: client.Transport, observer: observer}
	return &fetcher{client: client, policy: policy}
}

// check accepts a URL that another party named: https, or http to loopback
// where that is allowed (MC13).
func (f *fetcher) check(what, raw string) error {
	if _, err := safefetch.CheckURL(raw, f.policy); err != nil {
		return fmt.Errorf("%w: %s %.200q: %w", ErrURL, what, raw, err)
	}
	return nil
}

// document fetches the locations in their order, until read takes what one of
// them holds. What is not the document that was asked for, such as a page for
// people, is passed over (RFC 8414, section 3.2; RFC 9728, section 3.2). A
// document that describes somebody else ends the search: a second try elsewhere
// would be a way around the check.
func (f *fetcher) document(ctx context.Context, what string, locations []string, read func(body []byte, location string) error) error {
	problems := fmt.Errorf("%w: no %s", ErrDiscovery, what)
	for _, location := range locations {
		if err := f.check(what, location); err != nil {
			return err
		}
		body, _, err := safefetch.Get(ctx, f.client, location, maxDocument)
		if err == nil {
			err = read(body, location)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrResource), errors.Is(err, ErrIssuer), errors.Is(err, ErrURL):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %s: %w", ErrDiscovery, what, ctx.Err())
		}
		problems = fmt.Errorf("%w; %s: %w", problems, location, withoutURL(err))
	}
	return problems
}

// withoutURL takes off what http.Client puts in front of an error: the URL
// stands there already.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// do sends a request that the client made itself, and reads all of the answer.
func (f *fetcher) do(request *http.Request) (*http.Response, []byte, error) {
	response, err := f.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, nil, fmt.Errorf("%s answers in the encoding %.32q, and identity was asked for", request.URL.Host, encoding)
	}
	body, err := io.ReadAll(response.Body) // which the policy caps
	return response, body, err
}

// success reports whether a status is one of success (RFC 9110, section 15.3).
func success(status int) bool { return status/100 == 2 }

// unmarshal reads an object of another party: strictly, so that no two readers
// can see two documents in it.
func unmarshal(body []byte, into any) error {
	if _, err := strictjson.Object(body); err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// text is an optional string in a document of another party. A value of another
// type counts as absent: it changes nothing.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	_ = json.Unmarshal(raw, (*string)(t))
	return nil
}

// number is an optional number in a document of another party, which some of them
// quote. ok is false where there is none.
func number(raw json.RawMessage) (n float64, ok bool) {
	var unquoted json.Number
	if json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &unquoted) != nil {
		return 0, false
	}
	n, err := unquoted.Float64()
	return n, err == nil
}

// list is an optional list of strings in a document of another party. A value
// of another type counts as an empty list, and an element of another type is
// left out: what a client doesn't need it needn't understand.
type list []string

func (l *list) UnmarshalJSON(text []byte) error {
	*l = list{}
	var elements []any
	if json.Unmarshal(text, &elements) != nil {
		return nil
	}
	for _, element := range elements {
		if word, ok := element.(string); ok {
			*l = append(*l, word)
		}
	}
	return nil
}
