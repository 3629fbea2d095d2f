package part

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"

	"mcp-auth-step-by-step/internal/tutorial/matrix"
)

// Verdict is how something that was tried ended, in a few words.
type Verdict struct {
	Words string
	Class string // of a badge: good, bad, warn, or empty
}

// Verdicts of attacks.
var (
	GetsIn        = Verdict{"gets in", "bad"}
	Refused       = Verdict{"refused", "good"}
	refusedInBody = Verdict{"refused in the answer's body", "good"}
	nothingGained = Verdict{"gets nothing", "good"}
)

// VerdictOf is that of an attack that did or didn't get in, by its answer; nil: it had
// none of HTTP. MCP reports a wrong argument and a wrong method with the status 200.
func VerdictOf(gotIn bool, answer *matrix.Answer) Verdict {
	switch {
	case gotIn:
		return GetsIn
	case answer == nil || answer.Status >= http.StatusBadRequest:
		return Refused
	case Refusal(answer.Body) != "":
		return refusedInBody
	}
	return nothingGained
}

// Refusal is why an answer refuses: the text of an OAuth error, of a JSON-RPC error, or
// of a tool's result with isError. It is empty for an answer that refuses nothing.
func Refusal(body string) string {
	var oauth struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal([]byte(body), &oauth) == nil && oauth.Error != "" {
		return cmp.Or(oauth.Description, oauth.Error)
	}
	var rpc struct {
		Error struct {
			Message string `json:"message"`
			Data    struct {
				Description string `json:"error_description"`
			} `json:"data"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(body), &rpc) == nil && rpc.Error.Message != "" {
		return cmp.Or(rpc.Error.Data.Description, rpc.Error.Message)
	}
	var tool struct {
		Result struct {
			IsError bool `json:"isError"`
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
	}
	if json.Unmarshal([]byte(body), &tool) == nil && tool.Result.IsError && len(tool.Result.Content) > 0 {
		return tool.Result.Content[0].Text
	}
	return ""
}

// Readable is a body with its JSON indented; what is not JSON stays as it is.
func Readable(body string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(body), "", "  ") != nil {
		return body
	}
	return b.String()
}
