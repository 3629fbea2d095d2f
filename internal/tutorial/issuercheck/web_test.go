package issuercheck

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"
)

// web is the web as far as a test needs it: documents at https URLs of any host,
// over TLS, for programs that go through its proxy and trust its authority.
type web struct {
	site, proxy *httptest.Server
	key         *ecdsa.PrivateKey
	authority   *x509.Certificate
	documents   map[string]string
}

// startWeb serves documents by their URLs.
func startWeb(documents map[string]string) *web {
	w := &web{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), documents: documents}
	w.authority = w.certify(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	w.site = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.site.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: w.certificate}
	w.site.StartTLS()
	w.proxy = httptest.NewServer(http.HandlerFunc(w.connect))
	return w
}

// close ends it.
func (w *web) close() {
	w.proxy.Close()
	w.site.Close()
}

// chosen is for http.Transport.
func (w *web) chosen(*http.Request) (*url.URL, error) { return url.Parse(w.proxy.URL) }

// trusted is whom to trust.
func (w *web) trusted() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(w.authority)
	return pool
}

func (w *web) serve(writer http.ResponseWriter, r *http.Request) {
	text, ok := w.documents["https://"+r.Host+r.URL.Path]
	if !ok {
		http.NotFound(writer, r)
		return
	}
	writer.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(writer, text)
}

// certify makes a certificate that lasts for a test.
func (w *web) certify(template *x509.Certificate) *x509.Certificate {
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer := w.authority
	if signer == nil {
		signer = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, signer, w.key.Public(), w.key))))
}

// certificate is that of whatever host is asked for.
func (w *web) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	leaf := w.certify(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hello.ServerName}, DNSNames: []string{hello.ServerName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: w.key}, nil
}

// connect leads every host to the site (RFC 9110, section 9.3.6).
func (w *web) connect(writer http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(writer, "CONNECT alone", http.StatusMethodNotAllowed)
		return
	}
	site, err := net.Dial("tcp", w.site.Listener.Addr().String())
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = site.Close() }()
	client, buffered, err := http.NewResponseController(writer).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(site, buffered); _ = site.Close() })
	both.Go(func() { _, _ = io.Copy(client, site); _ = client.Close() })
	both.Wait()
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
