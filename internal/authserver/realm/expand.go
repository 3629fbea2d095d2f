package realm

import (
	"encoding/json"
	"regexp"
)

// placeholder is what Keycloak replaces in a file that it imports:
// ${NAME} and ${NAME:default}.
var placeholder = regexp.MustCompile(`\$\{([^${}:]+)(:[^{}]*)?\}`)

// Expand returns the text of a realm file with its placeholders replaced, for
// whoever hands it on to Keycloak's REST API, which replaces none.
func Expand(text []byte, lookup func(string) (string, bool)) ([]byte, error) {
	return expand(text, lookup)
}

// expand replaces placeholders in the strings of a JSON text, by the
// environment or else by their default. One with neither stays as it is, as
// with Keycloak: its message keys, ${profileScopeConsentText} for one, have
// the same form.
//
// Keycloak replaces in the text before it reads the JSON. Here it is done
// after, so that a quote in a variable can't become part of the file's
// structure.
func expand(text []byte, lookup func(string) (string, bool)) ([]byte, error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	return json.Marshal(expandValue(value, lookup))
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
