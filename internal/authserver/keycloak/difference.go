package keycloak

import "slices"

// open are lists to which people add entries of their own, which stay.
var open = []string{"redirectUris", "webOrigins"}

// has reports whether got says all that want says. Members that want doesn't
// name don't count; an empty value is as good as none.
func has(got, want any) bool { return hasMember("", got, want) }

func hasMember(name string, got, want any) bool {
	switch w := want.(type) {
	case object:
		g, _ := got.(object)
		for name := range w {
			if !hasMember(name, g[name], w[name]) {
				return false
			}
		}
		return true
	case []any:
		g, _ := got.([]any)
		if slices.Contains(open, name) {
			return !slices.ContainsFunc(w, func(value any) bool { return !slices.Contains(g, value) })
		}
		return sameList(g, w)
	}
	return got == want || got == nil && want == ""
}

// sameList compares lists of strings as sets, since Keycloak keeps them as
// such, and lists of objects in their order.
func sameList(got, want []any) bool {
	if len(got) != len(want) {
		return false
	}
	for i, value := range want {
		if s, ok := value.(string); ok {
			if !slices.Contains(got, any(s)) {
				return false
			}
		} else if !has(got[i], value) {
			return false
		}
	}
	return true
}

// merged is got with all that want says in place of what it said.
func merged(got, want object) object {
	result := without(got)
	for name, w := range want {
		switch value := w.(type) {
		case object:
			g, _ := got[name].(object)
			result[name] = merged(g, value)
		case []any:
			if g, _ := got[name].([]any); slices.Contains(open, name) {
				for _, v := range g {
					if !slices.Contains(value, v) {
						value = append(slices.Clip(value), v)
					}
				}
			}
			result[name] = value
		default:
			result[name] = w
		}
	}
	return result
}
