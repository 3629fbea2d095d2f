package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// places are the servers of the flow. They are at localhost and the tour is at
// 127.0.0.1, so that a browser never sends the cookies of the one to the other.
type places struct {
	issuing, serving *programs.Running
	issuer, resource string // URLs
}

func (p *places) run() bool { return p != nil && !p.issuing.Ended() && !p.serving.Ended() }

// live is what the diagram knows before the first request.
func (p *places) live() flowreport.Live {
	return flowreport.Live{
		Client: "in the tour", Resource: strings.TrimPrefix(p.serving.URL, "http://"), Issuer: strings.TrimPrefix(p.issuing.URL, "http://"),
		Lesson: func(step int) string { return fmt.Sprintf("/step/%d", step) },
	}
}

// servers starts step 9 and step 10, or returns those that run. Each has to know the
// other's address before it starts, so one port is chosen beforehand.
func (w *Work) servers(ctx context.Context) (*places, error) {
	w.starting.Lock()
	defer w.starting.Unlock()
	if w.places.run() {
		return w.places, nil
	}
	port, err := program.FreePort()
	if err != nil {
		return nil, err
	}
	base := "http://localhost:" + port
	p := &places{resource: base + "/mcp"}
	keys := filepath.Join(w.programs.Dir(), "keys-flow")
	if p.issuing, err = w.start(ctx, 9, nil, "-addr", "localhost:0", "-keys", keys, "-resource", p.resource); err != nil {
		return nil, err
	}
	p.issuer = p.issuing.URL + "/realms/mcp-realm"
	trust := []string{"KEYCLOAK_URL=" + p.issuing.URL, "KEYCLOAK_REALM=mcp-realm", "MCP_SERVER_URL=" + base, "MCP_CHALLENGE_SCOPES=mcp:read"}
	if p.serving, err = w.start(ctx, 10, trust, "-addr", "localhost:"+port); err != nil {
		return nil, err
	}
	if err := program.AwaitReady(ctx, base+"/health"); err != nil {
		return nil, err
	}
	w.places = p
	return p, nil
}

// start starts a step beside the one that the visitor may have started.
func (w *Work) start(ctx context.Context, step int, env []string, args ...string) (*programs.Running, error) {
	name := programs.StepName(step)
	binary, err := w.programs.Build(ctx, name)
	if err != nil {
		return nil, err
	}
	return w.programs.Start(ctx, programs.Spec{Name: name + " of the flow", Path: binary, Args: args, Env: env})
}

// agent asks the visitor of the tour to log in.
type agent struct {
	work   *Work
	run    *run
	issuer string
}

// errElsewhere says that an authorization URL doesn't lead to the server of the flow.
var errElsewhere = errors.New("the login is not at the authorization server that the tour started")

// Open shows the visitor the link to log in.
func (a agent) Open(_ context.Context, authorizationURL, _ string) error {
	if !strings.HasPrefix(authorizationURL, a.issuer+"/") {
		return errElsewhere
	}
	a.work.keep(a.run, mcpauth.Event{
		At: time.Now(), Stage: mcpauth.StageAuthorize,
		User: "You log in at the authorization server and allow what the client asks for. The client sees nothing of that.",
	})
	a.work.mu.Lock()
	defer a.work.mu.Unlock()
	a.run.state, a.run.login = Login, authorizationURL
	a.work.tell()
	return nil
}

// session is the client of a flow.
type session struct {
	authorization *mcpauth.Transport
	client        *client.Client
}

// newSession makes a client that doesn't know anything but the URL.
func (w *Work) newSession(r *run, at *places) (*session, error) {
	authorization, err := mcpauth.New(mcpauth.Config{
		ResourceURL: at.resource, Name: "The client of the tour", Home: "the tour", Agent: agent{w, r, at.issuer},
		Trace: w.observer(r), Store: w.store(), Timeout: patience, AnswerTimeout: patience,
	})
	if err != nil {
		return nil, err
	}
	wire, err := transport.NewStreamableHTTP(at.resource, transport.WithHTTPBasicClient(&http.Client{Transport: authorization}))
	if err != nil {
		return nil, err
	}
	// The first request waits for the user, so mcp-go must not give up on it.
	options := []client.ClientOption{client.WithDiscoverTimeout(-1)}
	if r.era == matrix.Legacy {
		//lint:ignore SA1019 the visitor has chosen this revision
		options = append(options, client.WithLegacyProtocolOnly())
	}
	return &session{authorization, client.NewClient(wire, options...)}, nil
}

func (s *session) close() {
	_ = s.client.Close()
	s.authorization.CloseIdleConnections()
}

// list connects and lists the tools.
func (s *session) list(ctx context.Context) (string, error) {
	if err := s.client.Start(ctx); err != nil {
		return "", err
	}
	var hello mcp.InitializeRequest
	hello.Params.ClientInfo = mcp.Implementation{Name: "auth-step-by-step", Version: "1"}
	hello.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	if _, err := s.client.Initialize(ctx, hello); err != nil {
		return "", s.why(err)
	}
	listed, err := s.client.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return "", s.why(err)
	}
	names := make([]string, len(listed.Tools))
	for i, tool := range listed.Tools {
		names[i] = plaintext.Line(tool.Name)
	}
	return fmt.Sprintf("The server lists %d tools: %s.", len(names), strings.Join(names, ", ")), nil
}

// call calls a tool.
func (s *session) call(ctx context.Context) (string, error) {
	var request mcp.CallToolRequest
	request.Params.Name, request.Params.Arguments = "echo", map[string]any{"message": "hi from the tour"}
	result, err := s.client.CallTool(ctx, request)
	if err != nil {
		return "", s.why(err)
	}
	var text string
	for _, content := range result.Content {
		if part, ok := content.(mcp.TextContent); ok {
			text += plaintext.Line(part.Text)
		}
	}
	return fmt.Sprintf("The tool echo ran, and answers: %.200q.", text), nil
}

// forget gives back what the client has.
func (s *session) forget(ctx context.Context) (string, error) {
	if _, err := s.authorization.Forget(ctx); err != nil {
		return "", err
	}
	return "The token is revoked, and the registration is deleted.", nil
}

// why prefers the reason of the authorization to what an MCP client makes of it.
func (s *session) why(err error) error { return cmp.Or(s.authorization.Err(), err) }
