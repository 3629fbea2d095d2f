package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// narrator tells what happens, in numbered stages, and keeps it for the report.
type narrator struct {
	out                  io.Writer
	alerts               io.Writer // for what the user must see in any case
	verbose, quiet, json bool
	events               []mcpauth.Event
	stage                mcpauth.Stage
	number               int
}

func (o *options) narrator(stdout, stderr io.Writer) *narrator {
	return &narrator{out: stdout, alerts: stderr, verbose: o.verbose, quiet: o.quiet, json: o.json}
}

// Observe tells one event.
func (n *narrator) Observe(e mcpauth.Event) {
	n.events = append(n.events, e)
	if e.Alert && (n.quiet || n.json) {
		fmt.Fprintf(n.alerts, "step11: %s\n", plaintext.Line(e.Note))
	}
	switch {
	case n.json:
		n.line(e)
	case n.quiet:
	default:
		n.tell(e)
	}
}

func (n *narrator) tell(e mcpauth.Event) {
	if e.Stage != n.stage {
		n.stage = e.Stage
		n.number++
		fmt.Fprintf(n.out, "\n%2d. %s\n", n.number, strings.ToUpper(e.Stage.String()[:1])+e.Stage.String()[1:])
	}
	if e.Exchange == nil {
		fmt.Fprintf(n.out, "%s\n", wrap(e.Note, "    ", 92))
		return
	}
	n.exchange(e.Exchange)
}

func (n *narrator) exchange(e *mcpauth.Exchange) {
	target, query, _ := strings.Cut(e.URL, "?")
	method := e.RPCMethod()
	if method != "" {
		method = "   " + method
	}
	fmt.Fprintf(n.out, "    %s → %s %s%s\n", e.From, e.Method, plaintext.Line(target), method)
	if query != "" {
		n.parameters("?", query)
	}
	if n.verbose {
		n.header(e.Header)
	}
	switch {
	case strings.HasPrefix(e.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		n.parameters("", e.Body)
	case n.verbose && e.Body != "":
		fmt.Fprintf(n.out, "%s\n", indent(e.Body, "        "))
	}
	if e.Status == 0 {
		if e.Error != "" {
			fmt.Fprintf(n.out, "    ← no answer: %s\n", plaintext.Line(e.Error))
		}
		return
	}
	fmt.Fprintf(n.out, "    ← %d %s\n", e.Status, http.StatusText(e.Status))
	n.answer(e)
	for _, token := range e.Decoded {
		n.decoded(token, e)
	}
}

// answer shows what matters of an answer: all of it with -v, else challenges,
// errors and the metadata that the next stage goes by.
func (n *narrator) answer(e *mcpauth.Exchange) {
	if n.verbose {
		n.header(e.Answer)
		if e.Reply != "" {
			fmt.Fprintf(n.out, "%s\n", indent(e.Reply, "        "))
		}
		return
	}
	for _, name := range []string{"Www-Authenticate", "Location", "Dpop-Nonce"} {
		for _, value := range e.Answer[name] {
			fmt.Fprintf(n.out, "        %s: %s\n", name, plaintext.Line(value))
		}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(e.Reply), &members) != nil {
		return
	}
	for _, name := range telling {
		if value, ok := members[name]; ok {
			fmt.Fprintf(n.out, "        %s: %s\n", name, oneLine(value))
		}
	}
}

// telling are the members of answers that the flow goes by.
var telling = []string{
	"resource", "authorization_servers", "scopes_supported", "issuer", "authorization_endpoint", "token_endpoint",
	"registration_endpoint", "code_challenge_methods_supported", "authorization_response_iss_parameter_supported",
	"client_id_metadata_document_supported", "dpop_signing_alg_values_supported", "client_id", "token_endpoint_auth_method",
	"token_type", "access_token", "refresh_token", "expires_in", "scope", "error", "error_description",
}

// decoded shows what a token says, where it was given out.
func (n *narrator) decoded(token mcpauth.DecodedJWT, e *mcpauth.Exchange) {
	sent := token.Name == "access token" || token.Name == "DPoP proof" ||
		token.Name == "client_assertion" && strings.Contains(e.Body, "client_assertion=")
	if sent && !n.verbose {
		return
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(token.Payload, &claims) != nil {
		return
	}
	fmt.Fprintf(n.out, "        %s, decoded: %s\n", token.Name, oneLine(token.Header))
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		fmt.Fprintf(n.out, "            %s: %s\n", plaintext.Line(name), oneLine(claims[name]))
	}
}

func (n *narrator) parameters(first, encoded string) {
	for part := range strings.SplitSeq(encoded, "&") {
		plain, err := url.QueryUnescape(part)
		if err != nil {
			plain = part
		}
		fmt.Fprintf(n.out, "        %s%s\n", first, plaintext.Line(plain))
		first = "&"
	}
}

func (n *narrator) header(header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(n.out, "        %s: %s\n", name, plaintext.Line(value))
		}
	}
}

// result shows what the program was started for. Beside the narration it is
// indented, so that its lines can't be taken for those of the narrator.
func (n *narrator) result(text string) {
	switch {
	case n.json:
		n.line(map[string]string{"result": text})
	case n.quiet:
		fmt.Fprintln(n.out, text)
	default:
		fmt.Fprintf(n.out, "\nResult\n%s\n", indent(text, "    "))
	}
}

// say shows what is neither an event nor the result.
func (n *narrator) say(text string) {
	if !n.quiet && !n.json {
		fmt.Fprintf(n.out, "\n%s\n", text)
	}
}

func (n *narrator) line(v any) {
	encoder := json.NewEncoder(n.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
}

func oneLine(raw json.RawMessage) string {
	return strings.Join(strings.Fields(plaintext.Line(string(raw))), " ")
}

func indent(text, by string) string { return by + strings.ReplaceAll(text, "\n", "\n"+by) }

// wrap breaks a text into lines.
func wrap(text, by string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len([]rune(word)) > width {
			b.WriteString("\n")
			column = 0
		}
		if column == 0 {
			b.WriteString(by)
			column = len(by)
		} else {
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}
