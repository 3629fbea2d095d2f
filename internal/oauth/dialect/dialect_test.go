package dialect

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestPresets(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, preset := range All() {
		if err := preset.Check(); err != nil {
			t.Errorf("%s: %v", preset.Name, err)
		}
		if u, err := url.Parse(preset.Source); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s: the source %q is not a URL", preset.Name, preset.Source)
		}
		if seen[preset.Name] {
			t.Errorf("%s stands twice", preset.Name)
		}
		seen[preset.Name] = true
		if named, err := Named(preset.Name); err != nil || !reflect.DeepEqual(named, preset) {
			t.Errorf("Named(%q) = %+v, %v", preset.Name, named, err)
		}
		for _, condition := range preset.Proof {
			if again, err := ParseCondition(condition.String()); err != nil || !reflect.DeepEqual(again, condition) {
				t.Errorf("%s: %q is read as %+v, %v", preset.Name, condition, again, err)
			}
		}
	}
	if _, err := Named("Okta"); err == nil || !strings.Contains(err.Error(), "want one of rfc9068, keycloak, okta") {
		t.Error(err)
	}
	if _, err := Named("google"); err == nil || !strings.Contains(err.Error(), "opaque") || !strings.Contains(err.Error(), "step 9") {
		t.Error(err)
	}
}

// The zero dialect, and the preset of its name, are RFC 9068.
func TestZeroIsStrict(t *testing.T) {
	t.Parallel()
	named, err := Named("rfc9068")
	if err != nil {
		t.Fatal(err)
	}
	named.Name, named.Source = "", ""
	if !reflect.DeepEqual(named, Dialect{}) || len(named.Filled().MayLack) > 0 {
		t.Errorf("%+v", named)
	}
	for typ, want := range map[string]bool{"at+jwt": true, "Application/AT+JWT": true, "JWT": false, "": false, NoType: false} {
		if got := named.Allows(typ, true); got != want {
			t.Errorf("%q: %t", typ, got)
		}
	}
	if named.Allows("", false) {
		t.Error("a token without typ")
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	d := Dialect{Types: []string{NoType, "JWT"}}
	for _, c := range []struct {
		typ     string
		present bool
		want    bool
	}{{"", false, true}, {"", true, false}, {NoType, true, false}, {"jwt", true, true}, {"at+jwt", true, false}, {"JWT ", true, false}} {
		if got := d.Allows(c.typ, c.present); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

func TestParseCondition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Condition{
		"token_use=access": Is("token_use", "access"), "azpacr": Has("azpacr"), "scope|gty": Has("scope", "gty"),
		"!nonce": Lacks("nonce"), "aud!=client": AudienceIsNotClient(), "typ=a=b": Is("typ", "a=b"),
	} {
		if got, err := ParseCondition(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "=x", "a|", "|", "!", "!a=b", "!a|b", "a|b=c"} {
		if got, err := ParseCondition(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// A missing claim proves nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{
		{Types: []string{"JWT"}}, {Types: []string{NoType}, Proof: []Condition{Lacks("nonce")}}, {Types: []string{"at+jwt", "JWT"}},
	} {
		if d.Check() == nil {
			t.Errorf("%+v", d)
		}
	}
	for _, d := range []Dialect{{}, {Types: []string{"application/at+jwt"}}, {Types: []string{"JWT"}, Proof: []Condition{Has("azpacr")}}} {
		if err := d.Check(); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

func TestForIssuer(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://example.okta.com/oauth2/default":               "okta",
		"https://example.oktapreview.com/oauth2/aus1":           "okta",
		"https://example.eu.auth0.com/":                         "auth0 auth0-default",
		"https://login.microsoftonline.com/1111/v2.0":           "entra-v2",
		"https://sts.windows.net/1111/":                         "entra-v1",
		"https://auth.pingone.eu/ENVID/as":                      "pingone",
		"https://cognito-idp.eu-west-1.amazonaws.com/pool":      "cognito",
		"https://tenant.forgeblocks.com:443/am/oauth2/alpha":    "forgerock",
		"https://t.example/am/oauth2/realms/root/realms/alpha":  "forgerock",
		"http://localhost:8080/realms/mcp-realm":                "keycloak rfc9068",
		"https://id.example/auth/realms/x":                      "keycloak rfc9068",
		"https://id.example":                                    "",
		"https://evil.example/https://example.okta.com/oauth2/": "",
	} {
		var got []string
		for _, d := range ForIssuer(issuer) {
			got = append(got, d.Name)
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, want %q", issuer, got, want)
		}
	}
}

func TestGranted(t *testing.T) {
	t.Parallel()
	long := "api://6e74172b/tools.call"
	if got := (Dialect{ShortScopes: true}).Granted(long); got != "tools.call" {
		t.Error(got)
	}
	if got := (Dialect{}).Granted(long); got != long {
		t.Error(got)
	}
}
