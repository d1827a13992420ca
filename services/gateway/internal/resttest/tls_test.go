package resttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// certificate writes a new self-signed certificate and returns its serial number.
func certificate(t *testing.T, certFile, keyFile string) *big.Int {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serial
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := certificate(t, certFile, keyFile)
	data := t.TempDir()
	publish(t, data, "default")
	s := start(t, data, func(c *Config) {
		c.Access.TLSCertFile, c.Access.TLSKeyFile, c.QueryTimeout = certFile, keyFile, time.Hour
	})
	served := func() *big.Int {
		conn, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the certificate itself is looked at
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber
	}
	if got := served(); got.Cmp(first) != 0 {
		t.Errorf("serial number %v, want %v", got, first)
	}
	second := certificate(t, certFile, keyFile)
	gentest.Eventually(t, func() bool { return served().Cmp(second) == 0 })

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as above
	ask := func(ctx context.Context, sql string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, "POST", "https://"+s.addr+"/api/query", strings.NewReader(sqlBody(sql)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", key)
		return client.Do(req)
	}
	gentest.Eventually(t, func() bool {
		resp, err := ask(context.Background(), "SELECT 1")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
	// A client that leaves is noticed through TLS too.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := ask(ctx, endless); err == nil {
			resp.Body.Close()
		}
	}()
	active := func() string {
		req, err := http.NewRequestWithContext(context.Background(), "GET", "https://"+s.addr+"/api/queries", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", key)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out strings.Builder
		buf := make([]byte, 1<<16)
		n, _ := resp.Body.Read(buf)
		out.Write(buf[:n])
		return out.String()
	}
	gentest.Eventually(t, func() bool { return strings.Contains(active(), `"running"`) })
	cancel()
	<-ended
	gentest.Eventually(t, func() bool { return !strings.Contains(active(), `"id"`) })
}
