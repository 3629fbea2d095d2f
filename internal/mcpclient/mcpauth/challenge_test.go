package mcpauth

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestMC01_Challenges(t *testing.T) {
	type params = map[string]string
	for name, c := range map[string]struct {
		headers []string
		want    []Challenge // nil: unreadable
	}{
		"one":                     {[]string{`Bearer realm="mcp", scope="a b"`}, []Challenge{{"Bearer", params{"realm": "mcp", "scope": "a b"}, ""}}},
		"a scheme alone":          {[]string{`Bearer`}, []Challenge{{"Bearer", params{}, ""}}},
		"two in one header":       {[]string{`Basic realm="x", Bearer error=invalid_token`}, []Challenge{{"Basic", params{"realm": "x"}, ""}, {"Bearer", params{"error": "invalid_token"}, ""}}},
		"two headers":             {[]string{`Basic realm="x"`, `Bearer`}, []Challenge{{"Basic", params{"realm": "x"}, ""}, {"Bearer", params{}, ""}}},
		"a token68 first":         {[]string{`Negotiate YWJj==, Bearer scope="a"`}, []Challenge{{"Negotiate", params{}, "YWJj=="}, {"Bearer", params{"scope": "a"}, ""}}},
		"lone schemes":            {[]string{`Negotiate, Bearer`}, []Challenge{{"Negotiate", params{}, ""}, {"Bearer", params{}, ""}}},
		"escapes and commas":      {[]string{`Bearer error_description="a \"b\", c=d", x=1`}, []Challenge{{"Bearer", params{"error_description": `a "b", c=d`, "x": "1"}, ""}}},
		"names in any case":       {[]string{`bearer Resource_Metadata = "u"`}, []Challenge{{"bearer", params{"resource_metadata": "u"}, ""}}},
		"empty list elements":     {[]string{` , ,Bearer a=b,, ,c=d,`}, []Challenge{{"Bearer", params{"a": "b", "c": "d"}, ""}}},
		"a challenge in a string": {[]string{`Basic realm="Bearer resource_metadata=evil"`}, []Challenge{{"Basic", params{"realm": "Bearer resource_metadata=evil"}, ""}}},
		"nothing":                 {nil, []Challenge{}},
		"a string without end":    {[]string{`Bearer realm="mcp`}, nil},
		"an escape without end":   {[]string{`Bearer realm="mcp\`}, nil},
		"a parameter twice":       {[]string{`Bearer scope="a", scope="b"`}, nil},
		"no value":                {[]string{`Bearer scope=, x=1`}, nil},
		"text after a string":     {[]string{`Bearer scope="a"b`}, nil},
		"no scheme":               {[]string{`="a"`}, nil},
		"too long":                {[]string{`Bearer x="` + strings.Repeat("a", maxChallenge) + `"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseChallenges(c.headers)
			if (err != nil) != (c.want == nil) {
				t.Fatalf("got %v, %v", got, err)
			}
			if len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v", got)
			}
		})
	}
}

func TestMC01_TheChallengeThatCounts(t *testing.T) {
	for header, want := range map[string]string{
		`Basic realm="x", Bearer scope="a", DPoP resource_metadata="u"`: "DPoP",
		`Basic realm="x", bearer scope="a"`:                             "bearer",
		`Basic resource_metadata="u"`:                                   "",
		`Bearer resource_metadata="unfinished`:                          "",
	} {
		if got, err := FindChallenge(http.Header{"Www-Authenticate": {header}}); got.Scheme != want || (err != nil) != strings.Contains(header, "unfinished") {
			t.Errorf("%s: got %q, %v", header, got.Scheme, err)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, seed := range []string{
		`Bearer realm="mcp", scope="a b", resource_metadata="https://a/b"`, `Negotiate YWJj==, Bearer`, `Basic realm="\"", DPoP a=b`,
		`Bearer a = b , c`, "Bearer \x00", `,,,`, `a b=c d=e`, `Bearer realm="`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		all, err := ParseChallenges([]string{header})
		if err != nil {
			return
		}
		for _, c := range all {
			if c.Scheme == "" || !strings.Contains(header, c.Scheme) || c.Token68 != "" && len(c.Params) > 0 {
				t.Fatalf("%q: %#v", header, c)
			}
			for name := range c.Params {
				if name == "" || name != strings.ToLower(name) {
					t.Fatalf("%q: name %q", header, name)
				}
			}
			// What is written down again reads the same.
			again, err := ParseChallenges([]string{written(c)})
			if err != nil || len(again) != 1 || again[0].Scheme != c.Scheme || !reflect.DeepEqual(again[0].Params, c.Params) || strings.TrimRight(again[0].Token68, " ") != c.Token68 {
				t.Fatalf("%q: %#v was written as %q and read as %#v, %v", header, c, written(c), again, err)
			}
		}
	})
}

func written(c Challenge) string {
	if c.Token68 != "" {
		return c.Scheme + " " + c.Token68
	}
	var parts []string
	for name, value := range c.Params {
		parts = append(parts, name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"`)
	}
	return c.Scheme + " " + strings.Join(parts, ", ")
}
