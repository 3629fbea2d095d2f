// Package vectors reads published test vectors: Project Wycheproof, and the
// examples of RFC 7520 (the JOSE cookbook). They stand in testdata, each with
// its licence and the commit that it was taken from; testdata/README.md says
// what was left out. They are for tests alone.
package vectors

import (
	"embed"
	"encoding/json"
	"testing"
)

//go:embed testdata
var files embed.FS

// Read decodes a file of the vectors into target.
func Read(t testing.TB, name string, target any) {
	t.Helper()
	text, err := files.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, target); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Group is a set of Wycheproof's cases that share a key.
type Group struct {
	Comment         string
	Public, Private json.RawMessage // of the JOSE files: a key or a key set
	PublicKeyDER    string          // of the signature files: hexadecimal
	Tests           []Case
}

// Case is one of Wycheproof's tests.
type Case struct {
	ID       int `json:"tcId"`
	Comment  string
	Result   string          // valid, invalid or acceptable
	JWS, JWE json.RawMessage // of the JOSE files: a string, or an object
	Msg, Sig string          // of the signature files: hexadecimal

	// Override names the rule of wycheproof-overrides.json that speaks of
	// this case: where the label is wrong, or asks for a decision.
	Override string
}

// Wycheproof reads one of Wycheproof's files.
func Wycheproof(t testing.TB, name string) []Group {
	t.Helper()
	var file struct {
		NumberOfTests int
		TestGroups    []Group
	}
	Read(t, "wycheproof/"+name, &file)
	rules := overrides(t, name)
	count := 0
	for _, group := range file.TestGroups {
		for i := range group.Tests {
			group.Tests[i].Override = rules[group.Tests[i].ID]
			count++
		}
	}
	if count == 0 || count != file.NumberOfTests {
		t.Fatalf("%s has %d cases and announces %d", name, count, file.NumberOfTests)
	}
	return file.TestGroups
}

// overrides are the rules for a file, by case.
func overrides(t testing.TB, name string) map[int]string {
	t.Helper()
	var files map[string]json.RawMessage
	Read(t, "wycheproof-overrides.json", &files)
	byCase := map[int]string{}
	if files[name] == nil {
		return byCase
	}
	var rules map[string]struct {
		IDs    []int `json:"tcIds"`
		FromTo []int `json:"tcIds_from_to"`
	}
	if err := json.Unmarshal(files[name], &rules); err != nil {
		t.Fatal(err)
	}
	for rule, cases := range rules {
		for _, id := range cases.IDs {
			byCase[id] = rule
		}
		if len(cases.FromTo) == 2 {
			for id := cases.FromTo[0]; id <= cases.FromTo[1]; id++ {
				byCase[id] = rule
			}
		}
	}
	return byCase
}

// KeySet is the group's key as a key set: the public one, where there is one.
func (g Group) KeySet() []byte {
	for _, key := range []json.RawMessage{g.Public, g.Private} {
		var set struct{ Keys []json.RawMessage }
		switch {
		case key == nil:
		case json.Unmarshal(key, &set) == nil && set.Keys != nil:
			return key
		default:
			return []byte(`{"keys":[` + string(key) + `]}`)
		}
	}
	return nil
}

// Token is the text that a caller would send.
func (c Case) Token() string {
	raw := c.JWS
	if raw == nil {
		raw = c.JWE
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw) // JSON serialization
	}
	return text
}
