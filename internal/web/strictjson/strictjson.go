// Package strictjson reads JSON without the latitude of encoding/json: there
// the last of two equal names wins, names match in any case, and broken text
// is replaced. Two readers that differ in this understand two messages: a check
// accepts the one, and the server runs the other.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 64

var (
	// ErrSyntax says that the text is not one JSON value in UTF-8 (RFC 8259).
	ErrSyntax = errors.New("not valid JSON")
	// ErrNotObject says that the text is JSON, but no object.
	ErrNotObject = errors.New("not a JSON object")
	// ErrAmbiguous says that two readers could understand the text differently.
	ErrAmbiguous = errors.New("ambiguous JSON")
)

// Object is [Members] for a document of which all names are read: no two names of
// the object itself may differ only in case.
func Object(data []byte) (map[string]json.RawMessage, error) {
	members, err := Members(data)
	if err != nil {
		return nil, err
	}
	folded := make(map[string]bool, len(members))
	for name := range members {
		if folded[Fold(name)] {
			return nil, fmt.Errorf("%w: two member names that differ only in case", ErrAmbiguous)
		}
		folded[Fold(name)] = true
	}
	return members, nil
}

// Members reads data as exactly one JSON object and returns its members as they
// stand. It refuses with [ErrSyntax] text that is not JSON, broken UTF-8, nesting
// beyond [MaxDepth] and trailing data; with [ErrNotObject] any other value; and
// with [ErrAmbiguous] repeated names, a NUL in a name, unpaired surrogates,
// numbers outside float64, and a member beside one of those that are read whose
// name differs from it only in case. All other names are somebody's data, and
// exact: two clients may be called Portal and portal.
func Members(data []byte, read ...string) (map[string]json.RawMessage, error) {
	members, err := object(data)
	if err != nil {
		return nil, err
	}
	for name := range members {
		for _, exact := range read {
			if _, beside := members[exact]; beside && name != exact && Fold(name) == Fold(exact) {
				return nil, fmt.Errorf("%w: %q also in another case", ErrAmbiguous, exact)
			}
		}
	}
	return members, nil
}

func object(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: broken UTF-8", ErrSyntax)
	}
	if err := walk(data); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return nil, ErrNotObject
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return members, nil
}

// String reads a JSON string; encoding/json would take null for one.
func String(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// Strings reads a JSON array of strings; encoding/json would take null for an
// empty one.
func Strings(raw json.RawMessage) ([]string, bool) {
	var elements []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, false
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		var ok bool
		if list[i], ok = String(element); !ok {
			return nil, false
		}
	}
	return list, true
}

// Fold maps a name to the one that encoding/json takes it for.
func Fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// walk reads all tokens once and checks what json.Unmarshal lets pass. It
// stops at the depth limit before it has read further.
func walk(data []byte) error {
	// levels holds the names seen in each open object, nil for an array.
	var levels []map[string]bool
	var wantName bool
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		start := decoder.InputOffset()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && len(levels) == 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSyntax, err)
		}
		raw := data[start:decoder.InputOffset()]
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				if len(levels) == MaxDepth {
					return fmt.Errorf("%w: nested deeper than %d levels", ErrSyntax, MaxDepth)
				}
				var names map[string]bool
				if t == '{' {
					names = map[string]bool{}
				}
				levels = append(levels, names)
			} else {
				levels = levels[:len(levels)-1]
			}
		case string:
			if unpairedSurrogate(raw) {
				return fmt.Errorf("%w: unpaired surrogate", ErrAmbiguous)
			}
			if wantName {
				names := levels[len(levels)-1]
				if names[t] || strings.ContainsRune(t, 0) {
					return fmt.Errorf("%w: member name twice, or with a NUL", ErrAmbiguous)
				}
				names[t] = true
				wantName = false
				continue
			}
		case json.Number:
			if _, err := strconv.ParseFloat(t.String(), 64); err != nil {
				return fmt.Errorf("%w: number out of range", ErrAmbiguous)
			}
		}
		// After a value, or an opening brace, an object wants a name next.
		wantName = len(levels) > 0 && levels[len(levels)-1] != nil
	}
	if decoder.InputOffset() == 0 {
		return fmt.Errorf("%w: empty", ErrSyntax)
	}
	// Token reads one value after another; json.Valid wants exactly one.
	if !json.Valid(data) {
		return fmt.Errorf("%w: trailing data", ErrSyntax)
	}
	return nil
}

// unpairedSurrogate looks for \uD800–\uDFFF that don't come in pairs: such
// text has no Unicode form, and each reader replaces it in its own way.
func unpairedSurrogate(literal []byte) bool {
	for i := 0; i < len(literal); i++ {
		if literal[i] != '\\' {
			continue
		}
		if i++; i >= len(literal) || literal[i] != 'u' {
			continue
		}
		unit := hex4(literal, i+1)
		i += 4
		switch {
		case unit < 0xD800 || unit > 0xDFFF:
		case unit > 0xDBFF, i+2 >= len(literal), literal[i+1] != '\\', literal[i+2] != 'u':
			return true
		default:
			if low := hex4(literal, i+3); low < 0xDC00 || low > 0xDFFF {
				return true
			}
			i += 6
		}
	}
	return false
}

// hex4 reads four hexadecimal digits; 0 where there are none.
func hex4(b []byte, at int) uint64 {
	if at+4 > len(b) {
		return 0
	}
	n, _ := strconv.ParseUint(string(b[at:at+4]), 16, 32)
	return n
}
