package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference is object by encoding/json, which reads the text three times.
func reference(data []byte) (map[string]json.RawMessage, error) {
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

// What objects accepts, and how it understands it, is what encoding/json says of it.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"A":2}`, ` { "a" : "\ud83d" , "b" : [ 1e999 ] } `, `[`, `{"a":1}{`, `"\ud83d\ude00"`, `{"a\u0000":1}`, `{"a\\u0000":1}`,
		`{"a":{"b":[1,-0,2.5E+3,true,null,"x"]},"":{}}`, `{"a":1,"\u0061":2}`, `{"a" 1}`, `{"a":1,}`, `1e400`, `{"a":{"b":{"a":{"b":{}}},"c":[{"b":1}]},"b":{"a":2}}`, `{"a":[{"b":1}]}`, `[{"a":{}}]`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		levels := make([]map[string]json.RawMessage, 3)
		err := objects(levels, data, 0, "a", "b")
		if err != nil {
			clear(levels)
		}
		got := levels[0]
		want, wantErr := reference(data)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, and by encoding/json %v", data, err, wantErr)
		}
		// A text that is wrong in two ways may be refused for the other one.
		if errors.Is(err, ErrNotObject) != errors.Is(wantErr, ErrNotObject) {
			t.Fatalf("%q: %v, and by encoding/json %v", data, err, wantErr)
		}
		if _, err := Object(data); err == nil && foldedTwice(got) {
			t.Fatalf("accepted a name in two cases: %q", data)
		}
		same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
		// What stands in it is what it is by itself.
		for i, name := range []string{"a", "b"} {
			inner, innerErr := reference(levels[i][name])
			if (innerErr == nil) != (levels[i+1] != nil) || !maps.EqualFunc(levels[i+1], inner, same) {
				t.Fatalf("%q: of %s %q, and by encoding/json %q (%v)", data, name, levels[i+1], inner, innerErr)
			}
		}
		for _, raw := range got {
			sameStrings(t, raw)
		}
		if !maps.EqualFunc(got, want, same) {
			t.Fatalf("%q: %q, and by encoding/json %q", data, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	})
}

// sameStrings compares what is read of a value that was read strictly with what
// encoding/json reads.
func sameStrings(t *testing.T, raw json.RawMessage) {
	var text string
	isText := raw[0] == '"' && json.Unmarshal(raw, &text) == nil
	if got, ok := String(raw); ok != isText || got != text {
		t.Fatalf("%s is %q (%t), and by encoding/json %q (%t)", raw, got, ok, text, isText)
	}
	var list []*string
	isList := raw[0] == '[' && json.Unmarshal(raw, &list) == nil && !slices.Contains(list, nil)
	got, ok := Strings(raw)
	if ok != isList || isList && !slices.EqualFunc(got, list, func(a string, b *string) bool { return a == *b }) {
		t.Fatalf("%s is %q (%t), and by encoding/json %t", raw, got, ok, isList)
	}
}

func foldedTwice(members map[string]json.RawMessage) bool {
	folded := map[string]bool{}
	for name := range members {
		folded[Fold(name)] = true
	}
	return len(folded) < len(members)
}

func BenchmarkObject(b *testing.B) {
	data := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}`)
	for name, read := range map[string]func([]byte) (map[string]json.RawMessage, error){"object": Object, "reference": reference} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
