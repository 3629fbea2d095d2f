package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	programs "mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
)

// fixture is a provider's metadata as it was captured.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	documents, err := providershapes.Documents()
	if err != nil {
		t.Fatal(err)
	}
	return documents[name].Document
}

// The whole way, at each provider whose metadata was captured: an MCP client that
// knows the URL of the MCP server alone registers at step 9, its user allows it
// there and logs in at the provider, and step 10 takes the token.
func TestAnyClientAtAnyProvider(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	binaries := map[string]string{}
	for _, name := range []string{"step10", "step11"} {
		if binaries[name], err = programs.Build(t.Context(), root, folder, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		fixture, file string
		claims        map[string]any
	}{
		{"google", "google", map[string]any{"sub": "10769150350006150715113082367", "hd": "example.com", "email": "a@example.com"}},
		{"okta-custom-as", "okta", map[string]any{"sub": "00uku2wo3pJvbCDBA0h7", "groups": []string{"MCP Users", "Everyone"}, "name": "A"}},
		{"entra-v2", "entra", map[string]any{
			"sub": "pairwise", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "tid": "TID", "roles": []string{"Mcp.User"}, "preferred_username": "a@example.com",
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			stub, err := stubprovider.StartLogin(fixture(t, c.fixture))
			if err != nil {
				t.Fatal(err)
			}
			defer stub.Close()
			stub.SetUser(c.claims)
			port, err := programs.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			mcp := "http://localhost:" + port
			as := start(t, "-addr", "localhost:0", "-keys", filepath.Join(t.TempDir(), "keys"), "-resource", mcp+"/mcp",
				"-upstream", ownCopy(t, root, c.file, stub.Issuer()))
			stub.Register(stubprovider.Registered{ID: "us", Secret: "s3cret", Redirect: as.issuer + "/broker/upstream/endpoint"})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			server := exec.CommandContext(ctx, binaries["step10"], "-addr", "localhost:"+port, "-env", filepath.Join(root, "providers", "google.env"))
			server.Env = append(os.Environ(), "KEYCLOAK_URL="+as.listening, "MCP_SERVER_URL="+mcp)
			running, err := programs.Start(server, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			defer running.Stop()
			client := exec.CommandContext(ctx, binaries["step11"], "--server", mcp+"/mcp", "--store", "none", "--login", "a:"+stubprovider.Password,
				"--call", "echo", "--arg", "message=through-the-provider")
			output, err := client.CombinedOutput()
			if err != nil || !strings.Contains(string(output), "through-the-provider") {
				t.Errorf("%v:\n%s", err, output)
			}
			if stub.Refused() != nil || stub.Redeemed() != 1 {
				t.Errorf("%d codes were redeemed; the provider doesn't support %q", stub.Redeemed(), stub.Refused())
			}
			if bytes.Contains(output, []byte("opaque-")) {
				t.Error("the client has a token of the provider")
			}
		})
	}
}

// ownCopy is a provider's file as a reader fills it in.
func ownCopy(t *testing.T, root, name, issuer string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "providers", name+"-upstream.env"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		switch variable, _, _ := strings.Cut(line, "="); variable {
		case "UPSTREAM_ISSUER":
			line = "UPSTREAM_ISSUER=" + issuer + "\n"
			if name != "okta" { // whose issuers have no host that tells
				line += "UPSTREAM_DIALECT=" + name + "\n"
			}
		case "UPSTREAM_CLIENT_ID":
			line = "UPSTREAM_CLIENT_ID=us\n"
		case "# UPSTREAM_CLIENT_SECRET":
			line = "UPSTREAM_CLIENT_SECRET=s3cret\n"
		case "UPSTREAM_TENANTS":
			line = "UPSTREAM_TENANTS=TID\n"
		}
		lines = append(lines, line)
	}
	file := filepath.Join(t.TempDir(), name+".env")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
