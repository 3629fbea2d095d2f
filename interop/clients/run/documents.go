package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of an authority that only these runs trust: its certificate, and that
// of the server of documents with its key.
const (
	authorityFile   = "authority.pem"
	certificateFile = "certificate.pem"
	keyFile         = "key.pem"
)

// documents serves Client ID Metadata Documents over https.
type documents struct {
	base   string
	server *http.Server
}

// serveDocuments starts the server, with the certificates of a folder, which are
// made if there are none.
func serveDocuments(folder string) (*documents, error) {
	if _, err := os.Stat(filepath.Join(folder, authorityFile)); errors.Is(err, fs.ErrNotExist) {
		if err := makeAuthority(folder); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, err
	}
	d := &documents{base: "https://localhost:" + port}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_ = d.server.ServeTLS(listener, filepath.Join(folder, certificateFile), filepath.Join(folder, keyFile))
	}()
	return d, nil
}

// of is the URL of the document for a client that listens at a port.
func (d *documents) of(port string) string { return d.base + "/" + port + "/client.json" }

func (d *documents) close() { _ = d.server.Close() }

// ServeHTTP answers with the document of a URL.
func (d *documents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	port, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"client_id":   d.of(port),
		"client_name": "A client with a document",
		"redirect_uris": []string{
			"http://localhost:" + port + "/callback",
			"http://localhost:" + port + "/oauth/callback",
			"http://127.0.0.1:" + port + "/oauth/callback",
		},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": "none",
	})
}

// makeAuthority makes an authority, and a certificate of it for localhost.
func makeAuthority(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of an interoperability test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, own.Public(), own)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), own)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(folder, authorityFile, "CERTIFICATE", caDER),
		writePEM(folder, certificateFile, "CERTIFICATE", leafDER),
		writePEM(folder, keyFile, "PRIVATE KEY", keyDER),
	)
}

func writePEM(folder, name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
