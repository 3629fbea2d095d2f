package envfile

import (
	"crypto/ecdsa"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/web/serve"
)

const asking = "INTROSPECTION_CLIENT_ID=echo-mcp-server\nINTROSPECTION_CLIENT_SECRET=hunter2\n"

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s, log, err := try(t, asking, nil, site)
	if err != nil || s.Issuers[0].Introspection == nil || !s.Issuers[0].Keys.NoKeys {
		t.Fatalf("%+v, %v", s, err)
	}
	c := *s.Issuers[0].Introspection
	if c.Method != clientauth.Basic || c.Credentials.ID != "echo-mcp-server" || c.Credentials.Secret != "hunter2" || c.Keep != 30*time.Second || c.Endpoint != "" {
		t.Errorf("%#v", c)
	}
	if strings.Contains(log, "hunter2") || !strings.Contains(log, "introspection=true") {
		t.Errorf("log: %s", log)
	}
	s, log, err = try(t, "", nil, site)
	if err != nil || s.Issuers[0].Introspection != nil || s.Issuers[0].Keys.NoKeys || strings.Contains(log, "INTROSPECTION_") {
		t.Errorf("without a client: %+v, %v, %s", s, err, log)
	}
	if _, log, err = try(t, asking+"INTROSPECTION_MAY_OMIT=aud", nil, site); err != nil || !strings.Contains(log, "level=WARN") {
		t.Errorf("without aud: %v, %s", err, log)
	}
	s, _, err = try(t, asking+"INTROSPECTION_METHOD=client_secret_post\nINTROSPECTION_KEEP=0s\nINTROSPECTION_MAY_OMIT=iss, exp\n"+
		"INTROSPECTION_ENDPOINT=https://id.example/introspect", nil, site)
	if err != nil {
		t.Fatal(err)
	}
	if c := *s.Issuers[0].Introspection; c.Method != clientauth.Post || c.Keep != 0 || len(c.MayOmit) != 2 || c.Endpoint != "https://id.example/introspect" {
		t.Errorf("%#v", c)
	}
}

// A key in a file that only its owner can read is taken, in each of its forms.
func TestIntrospectionKey(t *testing.T) {
	t.Parallel()
	const pemText = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
`
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte(pemText), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "INTROSPECTION_CLIENT_ID=c\nINTROSPECTION_METHOD=private_key_jwt\nINTROSPECTION_KEY_ID=k1\nINTROSPECTION_CLIENT_KEY=" + path
	s, _, err := try(t, text, nil, site)
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := s.Issuers[0].Introspection.Credentials.Key.(*ecdsa.PrivateKey); !ok || key == nil || s.Issuers[0].Introspection.Credentials.KeyID != "k1" {
		t.Errorf("%#v", s.Issuers[0].Introspection.Credentials.Key)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, _, err := try(t, text, nil, site); err == nil || !strings.Contains(err.Error(), "INTROSPECTION_CLIENT_KEY") || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("readable by a group: %v", err)
		}
	}
}

// What is missing or malformed ends the start, and no secret is shown.
func TestIntrospectionMalformed(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"INTROSPECTION_CLIENT_ID=x":                               "INTROSPECTION_CLIENT_SECRET is not set",
		"INTROSPECTION_CLIENT_SECRET=hunter2":                     "no effect without INTROSPECTION_CLIENT_ID",
		"INTROSPECTION_ENDPOINT=https://id.example":               "no effect without INTROSPECTION_CLIENT_ID",
		asking + "INTROSPECTION_METHOD=none":                      "client_secret_basic, client_secret_post, private_key_jwt",
		asking + "INTROSPECTION_METHOD=private_key_jwt":           "INTROSPECTION_CLIENT_KEY is not set",
		asking + "INTROSPECTION_CLIENT_KEY=key.pem":               "no effect with INTROSPECTION_METHOD=client_secret_basic",
		asking + "INTROSPECTION_KEEP=30":                          "like 30s",
		asking + "INTROSPECTION_KEEP=1h":                          "0s to 5m0s",
		asking + "INTROSPECTION_MAY_OMIT=client_id":               "iss, aud, exp, token_type",
		asking + "INTROSPECTION_ENDPOINT=http://id.example/check": "not https",
		"INTROSPECTION_CLIENT_ID=c\nINTROSPECTION_METHOD=private_key_jwt\nINTROSPECTION_CLIENT_KEY=/no/such.pem": "no such file",
	} {
		_, log, err := try(t, text, nil, site)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "INTROSPECTION_") || strings.Contains(err.Error()+log, "hunter2") {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

// A file with a secret is one that only its owner can read; one without may be
// read by all.
func TestSecretsAreGuarded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	environment := map[string]string{"INTROSPECTION_CLIENT_ID": "c", "INTROSPECTION_CLIENT_SECRET": "hunter2"}
	none := func(string) string { return "" }
	file := filepath.Join(t.TempDir(), "some.env")
	for _, c := range []struct {
		text   string
		getenv func(string) string
		mode   os.FileMode
		ok     bool
	}{
		{asking, none, 0o600, true},
		{asking, none, 0o644, false},
		{asking, none, 0o640, false},
		{"INTROSPECTION_CLIENT_SECRET=\n", func(name string) string { return environment[name] }, 0o644, true},
		{asking, func(name string) string { return environment[name] }, 0o644, false}, // it is there all the same
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := read(file, c.getenv, serve.Site{URL: site.URL, Port: site.Port, Log: slog.New(slog.DiscardHandler)})
		if (err == nil) != c.ok || err != nil && (!strings.Contains(err.Error(), "chmod 600 "+file) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("mode %o of %q: %v", c.mode, c.text, err)
		}
	}
}
