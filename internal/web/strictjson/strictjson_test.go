package strictjson

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestObject(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"object":                      {`{"a":1,"b":{"a":[1,2,{"a":null}]}}`, nil},
		"surrounding blanks":          {" \n{\"a\":1}\t", nil},
		"surrogate pair":              {`{"a":"😀"}`, nil},
		"escaped surrogate pair":      {"{\"a\":\"\\ud83d\\ude00\"}", nil},
		"escaped backslash then u":    {`{"a":"\\ud83d"}`, nil},
		"case differs in data":        {`{"params":{"arguments":{"a":1,"A":2}}}`, nil},
		"A12 empty":                   {``, ErrSyntax},
		"A12 byte order mark":         {"\ufeff{}", ErrSyntax},
		"A12 trailing x":              {`{"a":1}x`, ErrSyntax},
		"A12 two objects":             {`{"a":1}{"a":2}`, ErrSyntax},
		"A12 missing comma":           {`{"a":1 "b":2}`, ErrSyntax},
		"A12 broken UTF-8":            {"{\"a\":\"\xff\"}", ErrSyntax},
		"A12 truncated":               {`{"a":[1,2`, ErrSyntax},
		"A12 65 levels":               {strings.Repeat("[", 65), ErrSyntax},
		"A12 a million levels":        {strings.Repeat("[", 1e6), ErrSyntax},
		"A12 array":                   {`[{"a":1}]`, ErrNotObject},
		"A12 null":                    {`null`, ErrNotObject},
		"A12 lone high surrogate":     {`{"a":"\ud83d"}`, ErrAmbiguous},
		"A12 lone low surrogate":      {`{"a":"\ude00"}`, ErrAmbiguous},
		"A12 high then other":         {`{"a":"\ud83dA"}`, ErrAmbiguous},
		"A12 surrogate in a name":     {`{"\ud83d":1}`, ErrAmbiguous},
		"A12 number beyond a float":   {`{"a":1e999}`, ErrAmbiguous},
		"A11 name twice":              {`{"a":1,"a":2}`, ErrAmbiguous},
		"A11 escaped name twice":      {`{"a":1,"\u0061":2}`, ErrAmbiguous},
		"A11 other case":              {`{"method":1,"METHOD":2}`, ErrAmbiguous},
		"WC5 other case, level 2":     {`{"params":{"name":1,"Name":2}}`, nil},
		"A11 Kelvin sign folds to k":  {"{\"k\":1,\"\u212a\":2}", ErrAmbiguous},
		"A11 long s folds to s":       {"{\"params\":1,\"param\u017f\":2}", ErrAmbiguous},
		"A11 name twice, deep":        {`{"a":{"b":{"c":{"d":1,"d":2}}}}`, ErrAmbiguous},
		"A11 NUL in a name":           {`{"method\u0000":1}`, ErrAmbiguous},
		"A11 same name after a child": {`{"a":{"b":1},"a":2}`, ErrAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Object([]byte(c.text))
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("Object = %v, want %v", err, c.want)
			}
		})
	}
}

// WC5: only names that are read may not stand in two cases.
func TestWC5_Members(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`{"exp":1,"EXP":2}`:             ErrAmbiguous,
		"{\"sub\":1,\"\u017fub\":2}":    ErrAmbiguous,
		`{"EXP":2}`:                     nil,
		`{"Portal":1,"portal":2}`:       nil,
		`{"exp":1,"exp":2}`:             ErrAmbiguous,
		`{"a":{"exp":1,"EXP":2}}`:       nil,
		`{"portal":1,"portal":2}`:       ErrAmbiguous,
		`{"a":{"portal":1,"portal":2}}`: ErrAmbiguous,
	} {
		if _, err := Members([]byte(text), "exp", "sub"); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

func TestStringTakesStringsAlone(t *testing.T) {
	long := strings.Repeat("a", 1000)
	for raw, want := range map[string]string{`"a"`: "a", `"\u00e9\n\/"`: "é\n/", `"` + long + `"`: long, `"\ud83d\ude00"`: "😀"} {
		if got, ok := String(json.RawMessage(raw)); got != want || !ok {
			t.Errorf("%s: %q, %t", raw, got, ok)
		}
	}
	for _, raw := range []string{``, `null`, `1`, `"a`, `"a"x`, ` "a"`, `"\x"`, `"\ud83d"`, "\"\xff\"", "\"\n\"", `["a"]`} {
		if got, ok := String(json.RawMessage(raw)); got != "" || ok {
			t.Errorf("%s: %q, %t", raw, got, ok)
		}
	}
}

func TestStringsTakesStringsAlone(t *testing.T) {
	for raw, want := range map[string][]string{
		`["a","b"]`: {"a", "b"}, `[]`: {}, `null`: nil, ``: nil, `"a"`: nil, `["a",null]`: nil, `["a",1]`: nil, `[["a"]]`: nil, `{"0":"a"}`: nil,
		`["\u00e9\n"]`: {"é\n"}, `["a"]x`: nil, `["a",]`: nil, `["a"`: nil, `["\ud83d"]`: nil,
	} {
		got, ok := Strings(json.RawMessage(raw))
		if ok != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %t", raw, got, ok)
		}
	}
}
