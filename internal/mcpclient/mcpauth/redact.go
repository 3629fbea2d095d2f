package mcpauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/plaintext"
)

// secretNames are the members and parameters whose values nobody may see: in
// a trace they are redacted (MC14).
var secretNames = []string{
	"access_token", "refresh_token", "id_token", "code", "code_verifier", "client_secret", "client_assertion",
	"assertion", "subject_token", "actor_token", "registration_access_token", "password", "token", "state", "device_code",
	"session_code", "csrf",
}

// secretHeaders likewise.
var secretHeaders = []string{"Authorization", "Dpop", "Cookie", "Set-Cookie"}

// Redact shows that a secret is there, and no more of it than distinguishes it
// from others: four characters of a long one, none of a short one.
func Redact(secret string) string {
	if len(secret) < 20 {
		return "…"
	}
	return secret[:4] + "…"
}

// jwtPattern finds tokens wherever they stand.
var jwtPattern = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*`)

func redactText(s string) string { return plaintext.Lines(jwtPattern.ReplaceAllStringFunc(s, Redact)) }

func redactHeader(header http.Header) http.Header {
	shown := http.Header{}
	for name, values := range header {
		for _, value := range values {
			switch {
			case name == "Location":
				if u, err := url.Parse(value); err == nil {
					value = redactURL(u)
				} else {
					value = "…"
				}
			case slices.Contains(secretHeaders, name):
				scheme, secret, found := strings.Cut(value, " ")
				if name == "Authorization" && found {
					value = scheme + " " + Redact(secret)
				} else {
					value = Redact(value)
				}
			default:
				value = redactText(value)
			}
			shown.Add(name, value)
		}
	}
	return shown
}

func redactURL(u *url.URL) string {
	shown := *u
	shown.User = nil
	shown.RawQuery = redactQuery(u.RawQuery)
	return shown.String()
}

// redactQuery keeps the order of parameters: a reader compares it with the
// specification.
func redactQuery(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || slices.Contains(secretNames, strings.ToLower(plain)) {
			unescaped, err := url.QueryUnescape(value)
			if err != nil {
				unescaped = ""
			}
			parts[i] = name + "=" + Redact(unescaped)
			continue
		}
		parts[i] = redactText(part)
	}
	return strings.Join(parts, "&")
}

func redactBody(contentType string, body []byte) string {
	if len(body) == 0 {
		return ""
	}
	mediaType, _, _ := mime.ParseMediaType(contentType)
	switch {
	case mediaType == "application/x-www-form-urlencoded":
		return redactQuery(string(body))
	case strings.HasSuffix(mediaType, "json"):
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) != nil {
			return "(not readable as JSON)"
		}
		shown, err := marshalPlain(redactValue("", value))
		if err != nil {
			return "(not readable as JSON)"
		}
		return plaintext.Lines(shown)
	case mediaType == "text/event-stream", mediaType == "text/plain":
		return redactText(string(body))
	}
	return "(" + mediaType + ")"
}

func redactValue(name string, value any) any {
	switch v := value.(type) {
	case string:
		if slices.Contains(secretNames, strings.ToLower(name)) {
			return Redact(v)
		}
		return redactText(v)
	case map[string]any:
		for key, member := range v {
			v[key] = redactValue(key, member)
		}
	case []any:
		for i, member := range v {
			v[i] = redactValue(name, member)
		}
	}
	return value
}

func marshalPlain(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return strings.TrimSpace(b.String()), err
}

// DecodedJWT holds the claims of a token without its signature, so that it can't
// be used.
type DecodedJWT struct {
	Name    string          `json:"name"` // the parameter or member that held it
	Header  json.RawMessage `json:"header"`
	Payload json.RawMessage `json:"payload"`
}

// decodeJWT reads the claims of a token. It verifies nothing: that is up to the
// server that the token is for.
func decodeJWT(name, token string) (DecodedJWT, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 16<<10 {
		return DecodedJWT{}, false
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || !json.Valid(header) {
		return DecodedJWT{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !json.Valid(payload) {
		return DecodedJWT{}, false
	}
	return DecodedJWT{Name: name, Header: header, Payload: payload}, true
}

func decodeHeader(header http.Header) (found []DecodedJWT) {
	if _, token, ok := strings.Cut(header.Get("Authorization"), " "); ok {
		if decoded, ok := decodeJWT("access token", token); ok {
			found = append(found, decoded)
		}
	}
	if decoded, ok := decodeJWT("DPoP proof", header.Get("DPoP")); ok {
		found = append(found, decoded)
	}
	return found
}

func decodeBody(contentType string, body []byte) (found []DecodedJWT) {
	values := map[string]string{}
	mediaType, _, _ := mime.ParseMediaType(contentType)
	if mediaType == "application/x-www-form-urlencoded" {
		form, _ := url.ParseQuery(string(body))
		for name := range form {
			values[name] = form.Get(name)
		}
	} else if strings.HasSuffix(mediaType, "json") {
		var members map[string]any
		_ = json.Unmarshal(body, &members)
		for name, member := range members {
			values[name], _ = member.(string)
		}
	}
	for _, name := range []string{"access_token", "id_token", "client_assertion", "assertion", "subject_token", "refresh_token"} {
		if decoded, ok := decodeJWT(name, values[name]); ok {
			found = append(found, decoded)
		}
	}
	return found
}
