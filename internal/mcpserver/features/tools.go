package features

import (
	"context"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // get_time knows every zone, also where the machine has no zone files

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// maxMessage bounds what echo is given, in characters, and so what it sends
// back: ten times as much.
const maxMessage = 10_000

var tools = []struct {
	definition mcp.Tool
	handler    server.ToolHandlerFunc
}{
	{
		mcp.NewTool("echo",
			mcp.WithToolTitle("Echo"),
			mcp.WithDescription("Returns the message, repeated without a separator."),
			mcp.WithString("message", mcp.Required(), mcp.MaxLength(maxMessage), mcp.Description("What to return.")),
			mcp.WithInteger("repeat_count", mcp.Min(1), mcp.Max(10), mcp.DefaultNumber(1), mcp.Description("How many times.")),
			mcp.WithSchemaAdditionalProperties(false),
			mcp.WithOutputSchema[echoResult](),
			harmless("Echo", true),
		),
		echo,
	},
	{
		mcp.NewTool("get_time",
			mcp.WithToolTitle("Current time"),
			mcp.WithDescription("Tells the current time in a time zone."),
			mcp.WithString("timezone", mcp.DefaultString("UTC"), mcp.Description("IANA name of the zone, such as Europe/Berlin.")),
			mcp.WithSchemaAdditionalProperties(false),
			mcp.WithOutputSchema[timeResult](),
			harmless("Current time", false),
		),
		getTime,
	},
}

// harmless annotates a tool that changes nothing and reaches nothing outside.
func harmless(title string, sameEveryTime bool) mcp.ToolOption {
	return mcp.WithToolAnnotation(mcp.ToolAnnotation{
		Title:           title,
		ReadOnlyHint:    mcp.ToBoolPtr(true),
		DestructiveHint: mcp.ToBoolPtr(false),
		IdempotentHint:  mcp.ToBoolPtr(sameEveryTime),
		OpenWorldHint:   mcp.ToBoolPtr(false),
	})
}

type echoResult struct {
	Text string `json:"text" jsonschema:"the repeated message"`
}

func echo(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	text := strings.Repeat(request.GetString("message", ""), request.GetInt("repeat_count", 1))
	return mcp.NewToolResultStructured(echoResult{text}, text), nil
}

type timeResult struct {
	Time     string `json:"time" jsonschema:"RFC 3339, to the second"`
	Timezone string `json:"timezone" jsonschema:"IANA name of the zone"`
}

func getTime(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	name := request.GetString("timezone", "UTC")
	zone, err := time.LoadLocation(name)
	// Local would tell where the server is, and is not an IANA name.
	if err != nil || name == "" || name == "Local" {
		return mcp.NewToolResultError("timezone: not an IANA zone name; write it like UTC or Europe/Berlin"), nil
	}
	now := time.Now().In(zone).Format(time.RFC3339)
	return mcp.NewToolResultStructured(timeResult{now, name}, fmt.Sprintf("It is %s in %s.", now, name)), nil
}

// AddWhoami registers the tool whoami, which tells callers who the server
// takes them for. It needs a caller, so requests must be authenticated.
func AddWhoami(s *mcpendpoint.Server) {
	s.AddTool(mcp.NewTool("whoami",
		mcp.WithToolTitle("Who am I?"),
		mcp.WithDescription("Tells who the server takes you for: the facts of your access token that it has checked."),
		mcp.WithSchemaAdditionalProperties(false),
		mcp.WithOutputSchema[principal.Principal](),
		harmless("Who am I?", false),
	), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		caller := principal.FromContext(ctx)
		return mcp.NewToolResultStructured(caller, fmt.Sprintf("You are %s, acting through the client %s. Scopes: %s. Roles: %s.",
			caller.DisplayName(), caller.ClientID, listOrNone(caller.Scopes), listOrNone(caller.Roles))), nil
	})
}

func listOrNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
