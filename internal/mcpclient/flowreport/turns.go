package flowreport

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
)

// Turn is what happens at one stage of a flow, until the next stage begins.
type Turn struct {
	Number int
	Stage  mcpauth.Stage
	Events []mcpauth.Event
}

// Title says what happens at the stage, as a heading.
func (t Turn) Title() string {
	title := t.Stage.String()
	return strings.ToUpper(title[:1]) + title[1:]
}

// Turns are the turns of a chapter, numbered from first.
func Turns(events []mcpauth.Event, first int) (turns []Turn) {
	for _, event := range events {
		if len(turns) == 0 || turns[len(turns)-1].Stage != event.Stage {
			turns = append(turns, Turn{Number: first + len(turns), Stage: event.Stage})
		}
		last := &turns[len(turns)-1]
		last.Events = append(last.Events, event)
	}
	return turns
}

// foldable are the stages by which a client gets a token: those that a reader
// needs to see only once.
var foldable = []mcpauth.Stage{
	mcpauth.StageResource, mcpauth.StageServer, mcpauth.StageRegistration, mcpauth.StageAuthorize, mcpauth.StageToken,
}

// First holds in which turn each stage came first.
type First map[mcpauth.Stage]int

// See notes a turn.
func (f First) See(t Turn) {
	if _, seen := f[t.Stage]; !seen {
		f[t.Stage] = t.Number
	}
}

// Repeats reports whether an event is of a stage that an earlier turn showed,
// and nothing went wrong in it, so that it needn't be shown again.
func (f First) Repeats(turn int, event mcpauth.Event) bool {
	first, seen := f[event.Stage]
	good := !event.Alert && (event.Exchange == nil || event.Exchange.Status < 400 && event.Exchange.Error == "")
	return seen && first < turn && good && slices.Contains(foldable, event.Stage)
}

// Summary says in two sentences what turns that repeat earlier ones were for.
func (f First) Summary(turns []Turn) string {
	var earlier []int
	asked := ""
	for _, turn := range turns {
		earlier = append(earlier, f[turn.Stage])
		for _, event := range turn.Events {
			if scope := askedScope(event); scope != "" {
				asked = scope
			}
		}
	}
	text := fmt.Sprintf("The same as %s: the client takes the same way to a token.", numbers(slices.Min(earlier), slices.Max(earlier)))
	if asked != "" {
		text += fmt.Sprintf(" This time it asks the user for %q.", asked)
	}
	return text
}

// numbers names turns.
func numbers(from, to int) string {
	if from == to {
		return fmt.Sprintf("turn %d", from)
	}
	return fmt.Sprintf("turns %d–%d", from, to)
}

// askedScope is the scope of an authorization request.
func askedScope(event mcpauth.Event) string {
	if event.Stage != mcpauth.StageAuthorize || event.Exchange == nil {
		return ""
	}
	_, query, _ := strings.Cut(event.Exchange.URL, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return values.Get("scope")
}
