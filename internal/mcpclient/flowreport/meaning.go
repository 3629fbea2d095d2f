package flowreport

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// Row is a claim or a parameter, with one line on what it means. What the
// report doesn't know has no meaning beside it.
type Row struct{ Name, Value, Meaning string }

// headerMeanings are those of a token's header (RFC 7515; RFC 9068).
var headerMeanings = map[string]string{
	"alg": "by which algorithm the token is signed; the server accepts only those that it expects",
	"kid": "which key signed the token: a name in the published key set",
	"typ": "what kind of token this is; at+jwt is an access token (RFC 9068)",
	"jwk": "the public key that belongs to this proof",
}

// claimMeanings are those of a token's payload (RFC 7519; RFC 9068; RFC 9449).
var claimMeanings = map[string]string{
	"iss":                "who issued the token: the authorization server",
	"sub":                "who the token is about: the user, by an id that never changes",
	"aud":                "for which server the token is; every other server must refuse it",
	"exp":                "until when it is valid",
	"nbf":                "from when it is valid",
	"iat":                "when it was issued",
	"auth_time":          "when the user logged in",
	"jti":                "the token's own id, different for each token",
	"client_id":          "for which client it was issued",
	"azp":                "for which client it was issued, as Keycloak and OpenID Connect say it",
	"scope":              "what the user let the client do",
	"preferred_username": "the name with which the user logged in",
	"resource_access":    "the user's roles at single servers, as Keycloak writes them",
	"realm_access":       "the user's roles in the whole realm, as Keycloak writes them",
	"cnf":                "the key to which the token is bound: only its owner can use it (DPoP)",
	"nonce":              "a value that ties this to one request",
	"htm":                "for which HTTP method the proof was made (DPoP)",
	"htu":                "for which URL the proof was made (DPoP)",
	"ath":                "to which access token the proof belongs: its SHA-256 (DPoP)",
	"sid":                "the user's session at the authorization server",
}

// parameterMeanings are those of requests (RFC 6749; RFC 7636; RFC 8707;
// RFC 9207; RFC 7009).
var parameterMeanings = map[string]string{
	"response_type":         "code: the client wants a code, which it then exchanges for a token",
	"client_id":             "which client asks",
	"client_secret":         "the client's password",
	"redirect_uri":          "where the browser brings the answer; it must be registered",
	"scope":                 "what the client wants to be allowed to do",
	"state":                 "a random value; it comes back, so a foreign answer is noticed",
	"code_challenge":        "the SHA-256 of a secret that only this client knows (PKCE)",
	"code_challenge_method": "S256: the challenge is a SHA-256 of the secret",
	"code_verifier":         "the secret itself; its SHA-256 must be the challenge (PKCE), so a stolen code is useless",
	"resource":              "for which MCP server the token is to be (RFC 8707)",
	"code":                  "a one-time code; it lives for a minute and is useless without the code_verifier",
	"iss":                   "which authorization server answers (RFC 9207)",
	"grant_type":            "what the client gives for a token",
	"refresh_token":         "gets a new access token without the user",
	"username":              "typed by the user, at the authorization server only",
	"password":              "typed by the user, at the authorization server only; the client never sees it",
	"accept":                "the user pressed the button that allows",
	"csrf":                  "proves that this form was shown to this browser",
	"token":                 "the token that is to end",
	"token_type_hint":       "what kind of token it is",
	"prompt":                "whether the user must log in or consent again",
	"login_hint":            "which user is expected",
	"dpop_jkt":              "to which key the code is bound (DPoP)",
	"assertion":             "a signed statement, given for a token",
	"client_assertion":      "a JWT signed by the client: it proves who the client is",
	"client_assertion_type": "that the assertion is a JWT",
	"subject_token":         "the token that is exchanged for another",
	"audience":              "for whom the new token is to be",
	"error":                 "why there is no code",
	"error_description":     "the same, in words",
}

// answerMeanings are those of answers in JSON: metadata (RFC 9728; RFC 8414),
// registrations (RFC 7591), tokens (RFC 6749) and key sets (RFC 7517).
var answerMeanings = map[string]string{
	"resource":                         "the MCP server that this document describes: the one that was called",
	"authorization_servers":            "who issues tokens for it",
	"scopes_supported":                 "permissions that a client can ask for",
	"bearer_methods_supported":         "where the token has to stand: in the Authorization header",
	"issuer":                           "the authorization server's name; it must be the one that was asked for",
	"authorization_endpoint":           "where the user's browser is sent to log in and decide",
	"token_endpoint":                   "where a code becomes a token",
	"registration_endpoint":            "where an unknown client registers itself",
	"revocation_endpoint":              "where tokens are ended",
	"jwks_uri":                         "where the public keys are: with them anybody can check a token's signature",
	"code_challenge_methods_supported": "S256: PKCE, so that a stolen code is useless",
	"authorization_response_iss_parameter_supported": "its answers name it, so that the client can't mix up two of them",
	"client_id_metadata_document_supported":          "whether a client may be known by the URL of its own document",
	"client_id":                                      "the client's name at this authorization server",
	"client_name":                                    "the name that the user is shown",
	"redirect_uris":                                  "where answers for this client may go, and nowhere else",
	"token_endpoint_auth_method":                     "none: a program on a user's machine can't keep a secret",
	"access_token":                                   "the token: the client shows it with each request",
	"token_type":                                     "Bearer: whoever has the token can use it",
	"refresh_token":                                  "gets a new access token without the user",
	"id_token":                                       "tells the client who logged in; not for servers",
	"expires_in":                                     "for how many seconds it is valid",
	"scope":                                          "what it allows",
	"keys":                                           "the public keys; who has them can check signatures, and sign nothing",
	"error":                                          "what is wrong",
	"error_description":                              "the same, in words",
}

// rows of a query or a form, in the order in which they were sent.
func parameterRows(encoded string) (rows []Row) {
	for part := range strings.SplitSeq(encoded, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name == "" {
			continue
		}
		name, value = unescape(name), unescape(value)
		rows = append(rows, Row{name, value, parameterMeanings[name]})
	}
	return rows
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		s = plain
	}
	return plaintext.Line(s)
}

// answerRows are the members of an answer whose meaning is known.
func answerRows(reply string) (rows []Row) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(reply), &members) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if meaning, known := answerMeanings[name]; known && members["jsonrpc"] == nil {
			rows = append(rows, Row{name, value(members[name]), meaning})
		}
	}
	return rows
}

// claimRows are the members of a token's header or payload.
func claimRows(raw json.RawMessage, meanings map[string]string) (rows []Row) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return []Row{{Value: plaintext.Line(string(raw))}}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		meaning := meanings[name]
		at, err := strconv.ParseInt(string(members[name]), 10, 64)
		if err == nil && slices.Contains([]string{"exp", "nbf", "iat", "auth_time"}, name) {
			meaning += ": " + time.Unix(at, 0).UTC().Format("2006-01-02 15:04:05 UTC")
		}
		rows = append(rows, Row{plaintext.Line(name), value(members[name]), meaning})
	}
	return rows
}

// value is a text without quotes, or else JSON on one line.
func value(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return plaintext.Line(text)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return plaintext.Line(string(raw))
	}
	return plaintext.Line(b.String())
}

// Lesson is a page of the tutorial.
type Lesson struct {
	Step  int
	About string
	Link  string // empty where the report doesn't know where the pages are
}

var lessons = map[int]string{
	5: "keys", 6: "access tokens", 7: "metadata", 8: "scopes and roles", 9: "the authorization server",
	10: "the keys of a provider", 11: "the client",
}

// lessonOf is the step that explains an exchange.
func lessonOf(event mcpauth.Event) int {
	switch e := event.Exchange; event.Stage {
	case mcpauth.StageKeys:
		return 10
	case mcpauth.StageResource:
		return 7
	case mcpauth.StageServer, mcpauth.StageRegistration, mcpauth.StageAuthorize, mcpauth.StageToken, mcpauth.StageRevoke:
		return 9
	default:
		if e.Status == http.StatusForbidden {
			return 8
		}
		return 6
	}
}

// gist says in plain words what an exchange is for, and what came of it.
func gist(event mcpauth.Event, to string) string {
	e := event.Exchange
	switch event.Stage {
	case mcpauth.StageKeys:
		if strings.Contains(e.Reply, `"keys"`) {
			return "With which public keys can I check the tokens of this issuer?"
		}
		return "Where does this issuer publish its keys?"
	case mcpauth.StageResource:
		return "Who issues tokens for this MCP server?"
	case mcpauth.StageServer:
		return "Where do users log in, and where are tokens issued?"
	case mcpauth.StageRegistration:
		return "The client introduces itself, and gets a client_id."
	case mcpauth.StageAuthorize:
		return gistOfBrowser(e, to)
	case mcpauth.StageToken:
		return gistOfToken(e)
	case mcpauth.StageRevoke:
		return gistOfRevocation(e)
	}
	return gistOfRequest(e)
}

func gistOfBrowser(e *mcpauth.Exchange, to string) string {
	switch {
	case to == client:
		return "The browser brings the answer back to the client."
	case strings.Contains(e.Body, "password="):
		return "The browser sends user name and password. The client doesn't see them."
	case e.Method == http.MethodPost:
		return "The browser sends the user's decision, and is sent back to the client with a code."
	}
	return "The client sends the user's browser to the authorization server, with what it asks for."
}

func gistOfToken(e *mcpauth.Exchange) string {
	form, _ := url.ParseQuery(e.Body)
	switch form.Get("grant_type") {
	case "authorization_code":
		return "The client exchanges the code for a token."
	case "refresh_token":
		return "The client gets a new token, without the user."
	}
	return "The client asks for a token."
}

func gistOfRevocation(e *mcpauth.Exchange) string {
	switch {
	case e.Method == http.MethodDelete:
		return "The client deletes its registration."
	case e.Method == http.MethodGet:
		return "Where are tokens revoked?"
	}
	return "The client ends a token. Nobody can use or renew it from now on."
}

func gistOfRequest(e *mcpauth.Exchange) string {
	shown := e.Header.Get("Authorization") != ""
	switch {
	case e.Status == http.StatusUnauthorized && !shown:
		return "The client asks without a token, and is refused. The answer says where to learn more."
	case e.Status == http.StatusUnauthorized && e.From == "attacker":
		return "Somebody sends a token that was changed, and is refused."
	case e.Status == http.StatusUnauthorized:
		return "The token is not accepted."
	case e.Status == http.StatusForbidden:
		return "The token is good, but does not allow this. The answer says which scope is missing."
	case e.Status/100 == 2 && shown:
		return "The client shows its token, and is let in."
	}
	return ""
}
