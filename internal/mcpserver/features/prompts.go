package features

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

var prompts = []struct {
	definition mcp.Prompt
	handler    server.PromptHandlerFunc
}{
	{
		mcp.NewPrompt("echo_prompt",
			mcp.WithPromptTitle("Echo prompt"),
			mcp.WithPromptDescription("Asks for a message to be repeated with the echo tool."),
			mcp.WithArgument("message", mcp.RequiredArgument(), mcp.ArgumentDescription("What to repeat.")),
		),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return userPrompt("Repeats a message.", "Please repeat this with the echo tool: "+r.Params.Arguments["message"]), nil
		},
	},
	{
		mcp.NewPrompt("greeting",
			mcp.WithPromptTitle("Greeting"),
			mcp.WithPromptDescription("Asks for a friendly greeting."),
			mcp.WithArgument("name", mcp.ArgumentDescription("Whom to greet; a friend if left out.")),
		),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return greet(cmp.Or(r.Params.Arguments["name"], "a friend")), nil
		},
	},
	{
		mcp.NewPrompt("help",
			mcp.WithPromptTitle("Help"),
			mcp.WithPromptDescription("Asks what this server can do."),
		),
		func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return userPrompt("Explains this server.",
				"Please list the tools and prompts of this server and say in one sentence each what they are for."), nil
		},
	},
}

// PersonaliseGreeting registers the prompt greeting again: where no name is
// given, it greets the caller. It needs a caller, so requests must be
// authenticated.
func PersonaliseGreeting(s *mcpendpoint.Server) {
	s.AddPrompt(mcp.NewPrompt("greeting",
		mcp.WithPromptTitle("Greeting"),
		mcp.WithPromptDescription("Asks for a friendly greeting."),
		mcp.WithArgument("name", mcp.ArgumentDescription("Whom to greet; you yourself if left out.")),
	), func(ctx context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		caller := principal.FromContext(ctx)
		if name := r.Params.Arguments["name"]; name != "" {
			return greet(name), nil
		}
		return userPrompt("Greets the caller.", fmt.Sprintf(
			"Please greet %s warmly, in one sentence, and say what they may do here. Scopes: %s. Roles: %s.",
			caller.DisplayName(), listOrNone(caller.Scopes), listOrNone(caller.Roles))), nil
	})
}

func greet(name string) *mcp.GetPromptResult {
	return userPrompt("Greets somebody.", "Please greet "+name+" warmly, in one sentence.")
}

func userPrompt(description, text string) *mcp.GetPromptResult {
	return mcp.NewGetPromptResult(description, []mcp.PromptMessage{
		mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(text)),
	})
}
