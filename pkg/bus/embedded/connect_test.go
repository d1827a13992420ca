package embedded_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/chittihq/duckling/pkg/bus"
)

// runServer runs a server with any options and returns host:port.
func runServer(t *testing.T, options server.Options) string {
	t.Helper()
	options.Host, options.Port = "127.0.0.1", server.RANDOM_PORT
	options.StoreDir, options.NoSigs, options.NoLog = t.TempDir(), true, true
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.Addr().String()
}

func dial(t *testing.T, cfg bus.Config) error {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	b, err := bus.Connect(t.Context(), cfg)
	if err == nil {
		b.Close()
	}
	return err
}

func TestConnectErrors(t *testing.T) {
	plain := runServer(t, server.Options{})
	small := runServer(t, server.Options{JetStream: true, MaxPayload: 32 << 10})
	guarded := runServer(t, server.Options{JetStream: true, Username: "duck", Password: "pond"})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := silent.Addr().String()
	if err := silent.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, want string }{
		{"nobody listens", "nats://u:geheim77@" + closed, "no answer; check host and port"},
		{"no JetStream", "nats://" + plain, "runs without JetStream"},
		{"small max_payload", "nats://" + small, "max_payload is 32768 bytes"},
		{"wrong password", "nats://duck:geheim77@" + guarded, "refused the user, password or token"},
		{"empty", "", "it is empty"},
		{"slash in password", "nats://u:geheim77/x@" + plain, "percent-encoded"},
		{"slash after digits in password", "nats://u:77/geheim77@" + plain, "percent-encoded"},
		{"unknown host", "nats://nowhere.invalid", "nowhere.invalid"},
		{"bad escape in password", "nats://u:geheim77%zz@" + plain, "percent-encoded"},
		{"another scheme", "http://u:geheim77@" + plain, "the scheme must be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := dial(t, bus.Config{URL: c.url})
			if err == nil {
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "NATS_URL") {
				t.Errorf("got %q, want it to name NATS_URL and say %q", err, c.want)
			}
			if strings.Contains(err.Error(), "geheim77") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error shows the password or has several lines: %q", err)
			}
		})
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bus.Connect(ctx, bus.Config{URL: "nats://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("connected")
	}
}

func TestConnectWithCredentialsAndTLS(t *testing.T) {
	ca, cert := certificate(t)
	addr := runServer(t, server.Options{
		JetStream: true,
		Username:  "duck",
		Password:  "p/nd#1",
		TLS:       true,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	if err := dial(t, bus.Config{URL: "tls://duck:p%2Fnd%231@" + addr, CAFile: ca}); err != nil {
		t.Errorf("with the right certificate: %v", err)
	}
	if err := dial(t, bus.Config{URL: "tls://duck:p%2Fnd%231@" + addr}); err == nil {
		t.Error("a certificate of an unknown authority was trusted")
	}
}

// certificate makes a self-signed certificate for 127.0.0.1 and the file to trust it by.
func certificate(t *testing.T) (caFile string, cert tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test"},
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return caFile, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
