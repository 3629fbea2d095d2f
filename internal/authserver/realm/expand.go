package realm

import (
	"encoding/json"
	"regexp"

	"mcp-auth-step-by-step/internal/web/strictjson"
)

// placeholder is what Keycloak replaces in a file that it imports:
// ${NAME} and ${NAME:default}.
var placeholder = regexp.MustCompile(`\$\{([^${}:]+)(:[^{}]*)?\}`)

// expand reads the members of a realm file, with placeholders in its strings
// replaced by lookup or else by their defaults. A placeholder with neither stays
// as it is, as with Keycloak: its message keys, such as
// ${profileScopeConsentText}, have the same form.
//
// Keycloak replaces in the text before it reads the JSON. Here the JSON is read
// first, so that a quote in a variable can't become part of the file's
// structure.
func expand(text []byte, lookup func(string) (string, bool)) (map[string]any, error) {
	if _, err := strictjson.Object(text); err != nil {
		return nil, err
	}
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	expandValue(members, lookup)
	return members, nil
}

func expandValue(value any, lookup func(string) (string, bool)) any {
	switch v := value.(type) {
	case string:
		return expandString(v, lookup)
	case []any:
		for i := range v {
			v[i] = expandValue(v[i], lookup)
		}
	case map[string]any:
		for name := range v {
			v[name] = expandValue(v[name], lookup)
		}
	}
	return value
}

func expandString(s string, lookup func(string) (string, bool)) string {
	return placeholder.ReplaceAllStringFunc(s, func(found string) string {
		parts := placeholder.FindStringSubmatch(found)
		if value, ok := lookup(parts[1]); ok {
			return value
		}
		if parts[2] != "" {
			return parts[2][1:]
		}
		return found
	})
}
