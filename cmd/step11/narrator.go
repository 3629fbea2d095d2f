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
	"sync"
	"unicode/utf8"

	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// narrator tells what happens, in numbered turns, and keeps it for the report.
type narrator struct {
	out                  io.Writer
	alerts               io.Writer // for what the user must see in any case
	verbose, quiet, json bool
	fold                 bool              // turns that repeat earlier ones become one line
	hosts                map[string]string // what is at a host and port, where that is known

	mu       sync.Mutex
	chapters []flowreport.Chapter
	turn     flowreport.Turn // the one that goes on
	headed   bool            // its heading was written
	first    flowreport.First
	answers  map[string]string // to GET requests, by URL
	held     []flowreport.Turn // that may become one line
}

func (o *options) narrator(stdout, stderr io.Writer) *narrator {
	return &narrator{out: stdout, alerts: stderr, verbose: o.verbose, quiet: o.quiet, json: o.json}
}

// print writes in a style, where the output takes colours.
func (n *narrator) print(s style, format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	if p, ok := n.out.(*plain); ok {
		_ = p.paint(s, text)
		return
	}
	_, _ = io.WriteString(n.out, text)
}

// Observe tells one event.
func (n *narrator) Observe(e mcpauth.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.chapters) == 0 {
		n.chapters = []flowreport.Chapter{{}}
	}
	current := &n.chapters[len(n.chapters)-1]
	current.Events = append(current.Events, e)
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

// chapter begins a part of the flow. A title and what happens in it stand above
// its turns, here and in the report.
func (n *narrator) chapter(title, about string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.release()
	n.turn.Stage = 0 // so that the next event begins a turn
	n.chapters = append(n.chapters, flowreport.Chapter{Title: title, About: about})
	if !n.quiet && !n.json {
		n.print(heading, "\n== %d. %s\n", len(n.chapters), title)
		n.print("", "%s\n", wrap(about, "   "))
	}
}

func (n *narrator) tell(e mcpauth.Event) {
	if e.Stage != n.turn.Stage {
		n.turn, n.headed = flowreport.Turn{Number: n.turn.Number + 1, Stage: e.Stage}, false
		if n.first == nil {
			n.first = flowreport.First{}
		}
		n.first.See(n.turn)
	}
	if n.fold && !n.headed && n.first.Repeats(n.turn.Number, e) {
		n.hold(e)
		return
	}
	if held := len(n.held); held > 0 && n.held[held-1].Number == n.turn.Number {
		n.unfold() // something went wrong in this turn
	} else {
		n.release()
	}
	n.event(n.turn, e)
}

// hold keeps an event of a turn that repeats an earlier one.
func (n *narrator) hold(e mcpauth.Event) {
	if held := len(n.held); held == 0 || n.held[held-1].Number != n.turn.Number {
		n.held = append(n.held, n.turn)
	}
	last := &n.held[len(n.held)-1]
	last.Events = append(last.Events, e)
}

// release makes of the turns that were held one line. A single one is not worth
// it.
func (n *narrator) release() {
	if len(n.held) > 1 {
		n.print(bold, "\n%d–%d. ", n.held[0].Number, n.held[len(n.held)-1].Number)
		n.print("", "%s\n", strings.TrimLeft(wrap(n.first.Summary(n.held), "    "), " "))
		n.held = nil
	}
	n.unfold()
}

// tellHeld tells what is held: a flow that failed is shown in whole.
func (n *narrator) tellHeld() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unfold()
}

// unfold tells the turns that were held.
func (n *narrator) unfold() {
	held := n.held
	n.held = nil
	for _, turn := range held {
		n.headed = false
		for _, e := range turn.Events {
			n.event(turn, e)
		}
	}
}

func (n *narrator) event(turn flowreport.Turn, e mcpauth.Event) {
	if !n.headed {
		n.print(bold, "\n%2d. %s\n", turn.Number, turn.Title())
		n.headed = true
	}
	if e.User != "" {
		n.print(acts, "%s\n", wrap("The user "+e.User, "    "))
	}
	if e.Note != "" {
		n.print("", "%s\n", wrap(e.Note, "    "))
	}
	if e.Exchange != nil {
		n.exchange(e.Exchange)
	}
}

func (n *narrator) exchange(e *mcpauth.Exchange) {
	target, query, _ := strings.Cut(e.URL, "?")
	method := e.RPCMethod()
	if method != "" {
		method = "   " + method
	}
	to := ""
	if name := n.hosts[e.Receiver]; name != "" {
		to = name + ": "
	}
	from := e.From
	if from == "server" {
		from = "MCP server"
	}
	n.print("", "    %s → %s%s %s%s\n", from, to, e.Method, plaintext.Line(target), method)
	if query != "" {
		n.parameters("?", query)
	}
	if n.verbose {
		n.header(e.Header)
	}
	switch {
	case e.IsForm():
		n.parameters("", e.Body)
	case n.verbose && e.Body != "":
		n.print(dim, "%s\n", indent(e.Body, "        "))
	}
	if e.Status == 0 {
		if e.Error != "" {
			n.print(bad, "    ← no answer: %s\n", plaintext.Line(e.Error))
		}
		return
	}
	outcome := good
	if e.Status >= 400 {
		outcome = bad
	}
	if n.answeredBefore(e) {
		n.print(outcome, "    ← %d %s, the same document as before\n", e.Status, http.StatusText(e.Status))
		return
	}
	n.print(outcome, "    ← %d %s\n", e.Status, http.StatusText(e.Status))
	n.answer(e)
	for _, token := range e.Decoded {
		n.decoded(token, e)
	}
}

// answeredBefore reports whether the answer was shown already, to the same
// question.
func (n *narrator) answeredBefore(e *mcpauth.Exchange) bool {
	if !n.fold || e.Method != http.MethodGet || e.Reply == "" {
		return false
	}
	if n.answers == nil {
		n.answers = map[string]string{}
	}
	before := n.answers[e.URL]
	n.answers[e.URL] = e.Reply
	return before == e.Reply
}

// answer shows what matters of an answer: all of it with -v, else challenges,
// errors and the metadata that the next stage goes by.
func (n *narrator) answer(e *mcpauth.Exchange) {
	if n.verbose {
		n.header(e.Answer)
		if e.Reply != "" {
			n.print(dim, "%s\n", indent(e.Reply, "        "))
		}
		return
	}
	for _, name := range []string{"Www-Authenticate", "Location", "Dpop-Nonce"} {
		for _, value := range e.Answer[name] {
			n.print(dim, "        %s: %s\n", name, plaintext.Line(value))
		}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(e.Reply), &members) != nil {
		return
	}
	for _, name := range telling {
		if value, ok := members[name]; ok {
			n.print(dim, "        %s: %s\n", name, message(value))
		}
	}
}

// telling are the members of answers that the flow goes by.
var telling = []string{
	"resource", "authorization_servers", "scopes_supported", "issuer", "authorization_endpoint", "token_endpoint",
	"registration_endpoint", "jwks_uri", "code_challenge_methods_supported", "authorization_response_iss_parameter_supported",
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
	n.print("", "        %s, decoded: %s\n", token.Name, oneLine(token.Header))
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		n.print(dim, "            %s: %s\n", plaintext.Line(name), oneLine(claims[name]))
	}
}

func (n *narrator) parameters(first, encoded string) {
	for part := range strings.SplitSeq(encoded, "&") {
		plain, err := url.QueryUnescape(part)
		if err != nil {
			plain = part
		}
		n.print(dim, "        %s%s\n", first, plaintext.Line(plain))
		first = "&"
	}
}

func (n *narrator) header(header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			n.print(dim, "        %s: %s\n", name, plaintext.Line(value))
		}
	}
}

// result shows what the program was started for. Beside the narration it is
// indented, so that its lines can't be taken for those of the narrator.
func (n *narrator) result(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.release()
	switch {
	case n.json:
		n.line(map[string]string{"result": text})
	case n.quiet:
		fmt.Fprintln(n.out, text)
	default:
		n.print(bold, "\nResult\n")
		n.print("", "%s\n", indent(text, "    "))
	}
}

// say shows what is neither an event nor the result.
func (n *narrator) say(s style, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.release()
	if !n.quiet && !n.json {
		n.print(s, "\n%s\n", text)
	}
}

func (n *narrator) line(v any) {
	encoder := json.NewEncoder(n.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
}

// message is what an error of JSON-RPC says, and any other value as it is.
func message(raw json.RawMessage) string {
	var e struct {
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(raw, &e) == nil && e.Message != nil {
		raw = e.Message
	}
	return oneLine(raw)
}

func oneLine(raw json.RawMessage) string {
	return strings.Join(strings.Fields(plaintext.Line(string(raw))), " ")
}

func indent(text, by string) string { return by + strings.ReplaceAll(text, "\n", "\n"+by) }

// wrap breaks a text into indented lines of 92 characters.
func wrap(text, by string) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > 92-len(by) {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return indent(strings.Join(append(lines, line), "\n"), by)
}
