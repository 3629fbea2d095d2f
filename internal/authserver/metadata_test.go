package authserver

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
)

func TestAS01_AS02_AS06_AS09_MetadataAtEachPlace(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.AdvertiseDocuments = true })
	const path = "/realms/mcp-realm"
	for _, where := range []string{
		wellKnownOAuth + path, path + wellKnownOAuth, wellKnownOpenID + path, path + wellKnownOpenID,
	} {
		request, _ := http.NewRequest(http.MethodGet, r.base+where, nil)
		request.Header.Set("Origin", "https://any.example")
		request.Header.Set("X-Forwarded-Host", "evil.example")
		request.Header.Set("Forwarded", "host=evil.example;proto=https")
		got := r.browser().do(request)
		var said document
		if err := json.Unmarshal([]byte(got.text), &said); err != nil || got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", where, got.StatusCode, err)
		}
		if said.Issuer != r.issuer || !slices.Equal(said.CodeChallengeMethods, []string{"S256"}) || !said.IssInResponse || !said.ClientIDMetadataDocument {
			t.Errorf("%s: %s", where, got.text)
		}
		for _, url := range []string{said.AuthorizationEndpoint, said.TokenEndpoint, said.JWKSURI, said.RegistrationEndpoint, said.RevocationEndpoint, said.IntrospectionEndpoint, said.UserinfoEndpoint} {
			if !strings.HasPrefix(url, r.issuer+"/") {
				t.Errorf("%s: endpoint %q", where, url)
			}
		}
		if slices.Contains(said.ScopesSupported, "offline_access") || slices.Contains(said.ScopesSupported, "basic") || !slices.Contains(said.ScopesSupported, "mcp:tools") {
			t.Errorf("%s: scopes %v", where, said.ScopesSupported)
		}
		if got.Header.Get("Access-Control-Allow-Origin") != "*" || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", where, got.Header)
		}
	}
	for _, where := range []string{wellKnownOAuth, wellKnownOpenID, wellKnownOAuth + "/realms/other", "/realms/other" + wellKnownOpenID} {
		if got := r.browser().get(where); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", where, got.StatusCode)
		}
	}
}

func TestTheRealmIsNamedAsKeycloakNamesIt(t *testing.T) {
	t.Parallel()
	r := start(t)
	var said map[string]any
	got := r.browser().get("/realms/mcp-realm")
	if err := json.Unmarshal([]byte(got.text), &said); err != nil || said["realm"] != "mcp-realm" || said["token-service"] != r.issuer+"/protocol/openid-connect" || said["public_key"] == "" {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
}

func TestForeignHostsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	port := r.Server.url.Port()
	for host, good := range map[string]bool{
		r.Server.url.Host: true, "localhost:" + port: true, "[::1]:" + port: true, "LOCALHOST:" + port: true,
		"evil.example": false, "evil.example:" + port: false, "localhost": false, "localhost:1": false, "localhost.evil.example:" + port: false,
	} {
		for _, path := range []string{"/realms/mcp-realm", r.ask(), wellKnownOAuth + "/realms/mcp-realm"} {
			request, _ := http.NewRequest(http.MethodGet, r.base+path, nil)
			request.Host = host
			if got := r.browser().do(request); (got.StatusCode == http.StatusOK) != good || !good && got.StatusCode != http.StatusForbidden {
				t.Errorf("Host %s, %s: %d", host, path, got.StatusCode)
			}
		}
	}
}

func TestF14_WhatBrowserClientsMayRead(t *testing.T) {
	t.Parallel()
	r := start(t)
	for path, method := range map[string]string{
		pathToken: "POST", pathRevoke: "POST", pathRegister: "POST", pathKeys: "GET", pathUserinfo: "GET", wellKnownOAuth: "GET", wellKnownOpenID: "GET",
	} {
		request, _ := http.NewRequest(http.MethodOptions, r.issuer+path, nil)
		request.Header.Set("Origin", "https://app.example")
		request.Header.Set("Access-Control-Request-Method", method)
		got := r.browser().do(request)
		if got.StatusCode != http.StatusNoContent || got.Header.Get("Access-Control-Allow-Origin") != "*" || got.Header.Get("Access-Control-Allow-Methods") != method || got.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, got.StatusCode, got.Header)
		}
	}
	// A refusal can be read as well.
	if got := r.tokens(passwordForm("mcp-user", "client_id=nobody")); got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a refusal: %v", got.header)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	first, err := GenerateKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Keys = first })
	shown := func() []string {
		set, err := jwks.Parse([]byte(r.browser().get(r.issuer + pathKeys).text))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, key := range set {
			ids = append(ids, key.ID)
		}
		return ids
	}
	kid := func(got reply) string {
		header, _ := r.claimsOf(got.AccessToken)
		return header["kid"].(string)
	}
	old := r.login("mcp-user")
	if ids := shown(); len(ids) != 1 || ids[0] != kid(old) {
		t.Fatalf("shown %v, signed by %s", ids, kid(old))
	}
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Rotate(next); err != nil {
		t.Fatal(err)
	}
	fresh := r.tokens(refreshForm(old.RefreshToken))
	if ids := shown(); len(ids) != 2 || ids[0] != kid(fresh) || ids[1] != kid(old) || kid(fresh) == kid(old) {
		t.Errorf("shown %v, signed by %s and %s", ids, kid(old), kid(fresh))
	}
	if !r.active(old.AccessToken) || !r.active(fresh.AccessToken) {
		t.Error("a token of one of the keys is not active")
	}
	third, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Rotate(third); err != nil {
		t.Fatal(err)
	}
	if ids := shown(); len(ids) != 2 || slices.Contains(ids, kid(old)) || r.active(old.AccessToken) {
		t.Errorf("after two rotations: %v", ids)
	}
	if err := first.Rotate(nil); err == nil {
		t.Error("rotated to no key")
	}
}

func TestKeysAreKeptAndTheirBackupsShown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	ids := func() []string {
		ring, err := OpenKeyRing(dir, localfile.OwnerOnly)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, key := range ring.set {
			ids = append(ids, key.ID)
		}
		return ids
	}
	first := ids()
	if again := ids(); len(first) != 1 || !slices.Equal(first, again) {
		t.Fatalf("%v, then %v", first, again)
	}
	if _, err := keys.Replace(dir); err != nil {
		t.Fatal(err)
	}
	second := ids()
	if len(second) != 2 || second[0] == first[0] || second[1] != first[0] {
		t.Errorf("after a change: %v, before %v", second, first)
	}
	if err := os.Remove(filepath.Join(dir, keys.PrivateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeyRing(dir, localfile.OwnerOnly); err == nil {
		t.Error("opened without a private key")
	}
}
