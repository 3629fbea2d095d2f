package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// The order of MCP's "Client Registration Approaches".
func TestMC04_Order(t *testing.T) {
	const document = "https://client.example/metadata.json"
	own := &PreRegistered{ClientID: "own"}
	ask := func(context.Context, string) (*PreRegistered, error) { return &PreRegistered{ClientID: "asked"}, nil }
	all := map[string]any{"client_id_metadata_document_supported": true}
	for name, c := range map[string]struct {
		config   Config
		metadata map[string]any
		want     string // client_id; empty: there is no way
	}{
		"pre-registered first":         {Config{PreRegistered: own, MetadataURL: document, Ask: ask}, all, "own"},
		"then the metadata document":   {Config{MetadataURL: document, Ask: ask}, all, document},
		"where that is supported":      {Config{MetadataURL: document, Ask: ask}, nil, "client-1"},
		"then dynamically":             {Config{Ask: ask}, all, "client-1"},
		"then the user is asked":       {Config{Ask: ask}, map[string]any{"registration_endpoint": nil}, "asked"},
		"then there is an end":         {Config{}, map[string]any{"registration_endpoint": nil}, ""},
		"and the user may not know it": {Config{Ask: func(context.Context, string) (*PreRegistered, error) { return nil, errors.New("no idea") }}, map[string]any{"registration_endpoint": nil}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = c.metadata
			_, err := post(t, r.client(func(config *Config) {
				config.PreRegistered, config.MetadataURL, config.Ask = c.config.PreRegistered, c.config.MetadataURL, c.config.Ask
			}), r.url(), "x")
			if c.want == "" {
				if !errors.Is(err, ErrRegistration) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || r.as.requests[0].Get("client_id") != c.want {
				t.Errorf("got %v, %v", r.as.requests, err)
			}
			if registrations, _, _ := r.as.count(); (registrations > 0) != (c.want == "client-1") {
				t.Errorf("%d registrations", registrations)
			}
		})
	}
}

func TestMC05_WhatIsRegistered(t *testing.T) {
	r := newRig(t)
	r.mustPost(r.client(func(c *Config) { c.Name = "The client" }), "x")
	got := r.as.registrations[0]
	redirects, _ := got["redirect_uris"].([]any)
	if got["application_type"] != "native" || got["client_name"] != "The client" || got["token_endpoint_auth_method"] != "none" ||
		!reflect.DeepEqual(got["grant_types"], []any{"authorization_code", "refresh_token"}) ||
		len(redirects) != 1 || !strings.HasPrefix(redirects[0].(string), "http://127.0.0.1:") {
		t.Errorf("got %v", got)
	}
}

// One registration for one issuer and resource: it is used again, and nothing
// of it, nor a token, ever reaches another server.
func TestMC06_I04_TheServerNamesAnotherIssuer(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	first := r.client(func(c *Config) { c.Store = store })
	r.mustPost(first, "x")
	old := r.as
	r.as = newProvider(t) // between two runs, the MCP server names another one
	second := r.client(func(c *Config) { c.Store = store })
	r.mustPost(second, "x")
	if registrations, authorizations, tokens := r.as.count(); registrations != 1 || authorizations != 1 || tokens != 1 {
		t.Errorf("the new issuer saw %d registrations, %d authorizations, %d token requests", registrations, authorizations, tokens)
	}
	if registrations, authorizations, tokens := old.count(); registrations != 1 || authorizations != 1 || tokens != 1 {
		t.Errorf("the old issuer saw %d registrations, %d authorizations, %d token requests", registrations, authorizations, tokens)
	}
	all := fmt.Sprint(r.as.requests, r.as.tokenForms, r.as.tokenHeaders, r.as.registrations)
	for _, secret := range keysOf(old.refreshTokens) {
		if strings.Contains(all, secret) {
			t.Error("the new issuer saw the refresh token of the old one")
		}
	}
	for _, secret := range keysOf(old.issued) {
		if strings.Contains(all, secret) {
			t.Error("the new issuer saw the access token of the old one")
		}
	}
	// And the old one's are still there for when it comes back.
	entries, err := store.ForResourceURL(r.url())
	if err != nil || len(entries) != 2 {
		t.Errorf("the store has %d entries, %v", len(entries), err)
	}
}

// Credentials that were given by the user belong to the first issuer that they
// were used with, or to the one that the user named.
func TestMC06_I04_OwnCredentialsStayWithTheirIssuer(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	r.as.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_post"}}
	own := func(c *Config) {
		c.Store = store
		c.PreRegistered = &PreRegistered{ClientID: "own", ClientSecret: "a-secret-of-the-client"}
	}
	r.mustPost(r.client(own), "x")
	r.as = newProvider(t)
	_, err := post(t, r.client(own), r.url(), "x")
	registrations, authorizations, tokens := r.as.count()
	if !errors.Is(err, ErrIssuer) || registrations+authorizations+tokens != 0 {
		t.Errorf("got %v, and the new issuer was asked %d times", err, registrations+authorizations+tokens)
	}
	if _, err := (&Transport{}).preRegistered(&PreRegistered{Issuer: "https://a.example"}, "https://b.example"); !errors.Is(err, ErrIssuer) {
		t.Errorf("got %v", err)
	}
	named := r.client(func(c *Config) {
		c.PreRegistered = &PreRegistered{ClientID: "own", ClientSecret: "a-secret-of-the-client", Issuer: "https://named.example"}
	})
	if _, err := post(t, named, r.url(), "x"); !errors.Is(err, ErrIssuer) {
		t.Errorf("got %v", err)
	}
}

// A registration that the server has forgotten is replaced.
func TestMC12_TheServerForgotTheClient(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	r.mustPost(r.client(func(c *Config) { c.Store = store }), "x")
	r.as.issued, r.as.refreshTokens = map[string]string{}, map[string]string{}
	r.as.refuse = func(form url.Values) error {
		if form.Get("client_id") == "client-1" {
			return &ServerError{Code: "invalid_client"}
		}
		return nil
	}
	r.mustPost(r.client(func(c *Config) { c.Store = store }), "x")
	if registrations, _, _ := r.as.count(); registrations != 2 {
		t.Errorf("%d registrations", registrations)
	}
}
