package naive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/web/plaintext"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// Call is a client that believes what it reads: it calls echo at an MCP server on
// loopback, gets a token where the server says, and calls again.
func Call(ctx context.Context, server string, out io.Writer) error {
	l := &Lab{fetch: newClient()}
	defer l.fetch.CloseIdleConnections()
	answer, challenge, err := l.echo(ctx, server, "")
	if err != nil {
		return err
	}
	if match := metadataURL.FindStringSubmatch(challenge); match != nil {
		token, err := l.getToken(ctx, match[1], out)
		if err != nil {
			return err
		}
		if answer, _, err = l.echo(ctx, server, token); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "The server answers:", plaintext.Line(strings.TrimSpace(answer)))
	return nil
}

var metadataURL = regexp.MustCompile(`resource_metadata="([^"]*)"`)

// getToken follows the documents, whatever they say.
func (l *Lab) getToken(ctx context.Context, metadata string, out io.Writer) (string, error) {
	var resource struct {
		Resource             string
		AuthorizationServers []string `json:"authorization_servers"`
	}
	// fault no-resource-check: nobody compares resource with the URL that was called
	// (modelcontextprotocol/python-sdk, issue 1581).
	if err := l.get(ctx, metadata, &resource); err != nil {
		return "", err
	}
	if len(resource.AuthorizationServers) == 0 {
		return "", fmt.Errorf("%s names no authorization server", metadata)
	}
	var server struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
	}
	issuer := resource.AuthorizationServers[0]
	if err := l.get(ctx, oauthmetadata.ServerURL(issuer), &server); err != nil {
		return "", err
	}
	const redirect = "http://localhost:1/callback"
	ask := url.Values{"response_type": {"code"}, "client_id": {"naive"}, "redirect_uri": {redirect}, "resource": {resource.Resource}}
	back, err := formlogin.Run(ctx, server.Authorize+"?"+ask.Encode(), redirect, formlogin.User{})
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "The user logged in at %s. The code goes to %s.\n", plaintext.Line(server.Authorize), plaintext.Line(server.Token))
	// fault no-iss-check: nobody asks which server this code is from (RFC 9207, section 2.4;
	// modelcontextprotocol/go-sdk, pull request 859).
	form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}}
	var answer struct {
		Token string `json:"access_token"`
	}
	err = l.post(ctx, server.Token, form, &answer)
	return answer.Token, err
}

func (l *Lab) echo(ctx context.Context, server, token string) (answer, challenge string, err error) {
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server, strings.NewReader(body))
	if err != nil {
		return "", "", err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := l.fetch.Do(request)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), response.Header.Get("WWW-Authenticate"), err
}

func (l *Lab) get(ctx context.Context, location string, into any) error {
	body, _, err := safefetch.Get(ctx, l.fetch, location, 64<<10)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func (l *Lab) post(ctx context.Context, location string, form url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, location, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := l.fetch.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers with status %d", location, response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
