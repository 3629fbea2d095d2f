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
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
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
func Object(data []byte) (map[string]json.RawMessage, error) { return object(data, 0, all) }

// object reads a document with about so many members as size says, of which some are
// read.
func object(data []byte, size int, read func(name string) bool) (map[string]json.RawMessage, error) {
	var levels [1]map[string]json.RawMessage
	err := objects(levels[:], data, size)
	if err == nil {
		err = Unambiguous(levels[0], read)
	}
	if err != nil {
		return nil, err
	}
	return levels[0], nil
}

// Nested is [Object] for a document and for the objects in it that stand under names,
// each inside the one before: Nested(data, "params", "_meta") has the members of the
// document, of its params, and of the _meta in them. What is missing, or no object, is
// nil. There can be three names.
func Nested(data []byte, names ...string) ([]map[string]json.RawMessage, error) {
	levels := make([]map[string]json.RawMessage, 1+len(names))
	if err := objects(levels, data, 0, names...); err != nil {
		return nil, err
	}
	for _, members := range levels {
		if err := Unambiguous(members, all); err != nil {
			return nil, err
		}
	}
	return levels, nil
}

// decoders are used again: most of what a new one allocates are its tables of names.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// decode returns a decoder of data. Give it back to decoders.
func decode(data []byte, options ...jsontext.Options) *jsontext.Decoder {
	decoder := decoders.Get().(*jsontext.Decoder)
	decoder.Reset(bytes.NewBuffer(data), options...)
	return decoder
}

func all(string) bool { return true }

// Members reads data as exactly one JSON object and returns its members as they
// stand. It refuses with [ErrSyntax] text that is not JSON, broken UTF-8, nesting
// beyond [MaxDepth] and trailing data; with [ErrNotObject] any other value; and
// with [ErrAmbiguous] repeated names, a NUL in a name, unpaired surrogates,
// numbers outside float64, and a member beside one of those that are read whose
// name differs from it only in case. All other names are somebody's data, and
// exact: two clients may be called Portal and portal.
func Members(data []byte, read ...string) (map[string]json.RawMessage, error) {
	return object(data, min(len(data)/memberSize, 16), func(name string) bool { return slices.Contains(read, name) })
}

// Unambiguous is what [Members] says of names in other cases, for members that were
// read before it was known which of them count: it refuses them where one is read, and
// another differs from it only in case.
func Unambiguous(members map[string]json.RawMessage, read func(name string) bool) error {
	capitals := false
	for name := range members {
		capitals = capitals || !isFolded(name)
	}
	if !capitals { // as nearly always, and then no two names are alike
		return nil
	}
	first := make(map[string]string, len(members))
	for name := range members {
		folded := Fold(name)
		other, twice := first[folded]
		if twice && (read(name) || read(other)) {
			return fmt.Errorf("%w: a member name of which another differs only in case", ErrAmbiguous)
		}
		first[folded] = name
	}
	return nil
}

// objects reads all tokens once, and stops at the depth limit before it has read
// further. Into levels go the members of the document, and of the objects under names:
// parts of data, about so many as size says.
func objects(levels []map[string]json.RawMessage, data []byte, size int, names ...string) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w: broken UTF-8", ErrSyntax)
	}
	// The unpaired surrogates that this leaves are found below.
	decoder := decode(data, jsontext.AllowInvalidUTF8(true))
	defer decoders.Put(decoder)
	open := 0 // so many of them are being read
	// The member of each that is being read: its name, and where that ends.
	var name [4]string
	var start [4]int64
	for {
		before := decoder.InputOffset()
		token, err := decoder.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		end, depth := decoder.InputOffset(), decoder.StackDepth()
		container, length := decoder.StackIndex(depth)
		isName := container == '{' && length%2 == 1
		if err := check(token, data[before:end], depth, isName); err != nil {
			return err
		}
		switch kind := token.Kind(); {
		case kind == '{' && depth == open+1 && (open == 0 || open < len(levels) && name[open-1] == names[open-1]):
			levels[open] = make(map[string]json.RawMessage, size)
			open++
			continue
		case kind == '}' && depth == open-1:
			open--
		}
		switch {
		case depth == 0:
			return atEnd(decoder, levels[0])
		case depth != open: // inside a member
		case isName:
			name[open-1], start[open-1] = token.String(), end
		default:
			levels[open-1][name[open-1]] = bytes.TrimLeft(data[start[open-1]:end], ": \t\r\n")
		}
	}
}

// memberSize is about how many bytes of a token's claims are one member. A map that
// is as large as it becomes needn't grow. [Members] makes room for a few members at
// most, since whoever sends a long document decides about its length.
const memberSize = 24

func syntaxError(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("%w: member name twice", ErrAmbiguous)
	}
	return fmt.Errorf("%w: %w", ErrSyntax, err)
}

// atEnd says whether the value that was read is an object, and all that there is.
func atEnd(decoder *jsontext.Decoder, members map[string]json.RawMessage) error {
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: trailing data", ErrSyntax)
	}
	if members == nil {
		return ErrNotObject
	}
	return nil
}

// check refuses tokens that JSON permits and that two readers could understand
// differently. raw is the token's text, and perhaps blanks and a comma before it.
func check(token jsontext.Token, raw []byte, depth int, isName bool) error {
	switch token.Kind() {
	case '{', '[':
		if depth > MaxDepth {
			return fmt.Errorf("%w: nested deeper than %d levels", ErrSyntax, MaxDepth)
		}
	case '"':
		escaped := bytes.IndexByte(raw, '\\') >= 0
		if escaped && unpairedSurrogate(raw) {
			return fmt.Errorf("%w: unpaired surrogate", ErrAmbiguous)
		}
		if escaped && isName && strings.ContainsRune(token.String(), 0) {
			return fmt.Errorf("%w: member name with a NUL", ErrAmbiguous)
		}
	case '0':
		// Only a number with an exponent, or a very long one, can be out of range.
		if len(raw) < 300 && !bytes.ContainsAny(raw, "eE") {
			return nil
		}
		if _, err := strconv.ParseFloat(token.String(), 64); err != nil {
			return fmt.Errorf("%w: number out of range", ErrAmbiguous)
		}
	}
	return nil
}

// String reads a JSON string; encoding/json would take null for one.
func String(raw json.RawMessage) (string, bool) {
	var short [64]byte // holds most strings until the copy below
	text, err := jsontext.AppendUnquote(short[:0], raw)
	if err != nil {
		return "", false
	}
	return string(text), true
}

// Strings reads a JSON array of strings; encoding/json would take null for an
// empty one.
func Strings(raw json.RawMessage) ([]string, bool) {
	decoder := decode(raw)
	defer decoders.Put(decoder)
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '[' {
		return nil, false
	}
	list := []string{}
	for decoder.PeekKind() == '"' {
		token, err := decoder.ReadToken()
		if err != nil {
			return nil, false
		}
		list = append(list, token.String())
	}
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != ']' || decoder.InputOffset() != int64(len(raw)) {
		return nil, false
	}
	return list, true
}

// Fold maps a name to the one that encoding/json takes it for.
func Fold(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return strings.ToLower(strings.ToUpper(name))
		}
	}
	return strings.ToLower(name) // the same, for ASCII
}

// isFolded tells of most names that they are what [Fold] maps them to.
func isFolded(name string) bool {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
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
