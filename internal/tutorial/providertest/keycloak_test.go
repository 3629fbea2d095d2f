package providertest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// rotateKeycloak gives the realm a key that comes before the one it has.
func rotateKeycloak(ctx context.Context, base string) (undo func() error, err error) {
	component := map[string]any{
		"name": "newer key", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
		"config": map[string]any{"priority": []string{"200"}, "algorithm": []string{"RS256"}, "keySize": []string{"2048"}},
	}
	response, err := adminCall(ctx, base, http.MethodPost, base+"/admin/realms/mcp-realm/components", component)
	if err != nil {
		return nil, err
	}
	made := response.Header.Get("Location")
	return func() error {
		_, err := adminCall(ctx, base, http.MethodDelete, made, nil)
		return err
	}, nil
}

// adminCall calls Keycloak's admin API.
func adminCall(ctx context.Context, base, method, address string, body any) (*http.Response, error) {
	form := url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"},
		"username": {cmp.Or(os.Getenv("KC_BOOTSTRAP_ADMIN_USERNAME"), "admin")},
		"password": {cmp.Or(os.Getenv("KC_BOOTSTRAP_ADMIN_PASSWORD"), "admin")},
	}
	var token struct {
		Access string `json:"access_token"`
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/realms/master/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, text, err := exchange(request)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &token); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if request, err = http.NewRequestWithContext(ctx, method, address, bytes.NewReader(encoded)); err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token.Access)
	response, text, err := exchange(request)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, address, response.Status, text)
	}
	return response, err
}

// exchange sends a request as it is: no redirect is followed, no cookie kept.
func exchange(request *http.Request) (*http.Response, []byte, error) {
	response, err := plain.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response, text, err
}

var plain = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// certificateFor makes a certificate for a host that signs itself, and the PEM
// text by which it can be trusted.
func certificateFor(host string) (*tls.Config, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "provider test"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, "", err
	}
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, authority, nil
}
