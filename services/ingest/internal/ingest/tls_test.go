package ingest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// authority signs certificates, which it writes to a folder.
type authority struct {
	t      *testing.T
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func (a *authority) sign(name string, template *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if template.IsCA {
		a.cert, a.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{"": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.file(name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name) }

// What tls in the connection string asks for is checked, by the SQL connections and by the one that reads the binlog.
func TestTLS(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			a := &authority{t: t, folder: t.TempDir()}
			other := &authority{t: t, folder: t.TempDir()}
			for _, one := range []*authority{a, other} {
				one.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
			}
			a.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
			a.sign("client", &x509.Certificate{})
			s := mysqltest.ForTest(t, flavor, "--ssl-ca="+a.file("ca"), "--ssl-cert="+a.file("server"), "--ssl-key="+a.file("server.key"))
			auth := "IDENTIFIED BY 'pw'"
			if flavor == mysqltest.MySQL {
				auth = "IDENTIFIED WITH caching_sha2_password BY 'pw'"
			}
			if err := s.Exec(t.Context(), "CREATE DATABASE shop", "CREATE USER follower@'%' "+auth+" REQUIRE X509",
				"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO follower@'%'"); err != nil {
				t.Fatal(err)
			}
			_, port, err := net.SplitHostPort(s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			client := url.Values{"cert": {a.file("client")}, "key": {a.file("client.key")}}
			with := func(host, mode, ca string, more url.Values) string {
				q := url.Values{"tls": {mode}, "ca": {ca}}
				for name, values := range more {
					q[name] = values
				}
				return "mysql://follower:pw@" + net.JoinHostPort(host, port) + "/shop?" + q.Encode()
			}
			for name, c := range map[string]struct {
				url   string
				works bool
			}{
				"identity":              {with("127.0.0.1", "verify-identity", a.file("ca"), client), true},
				"authority":             {with("localhost", "verify-ca", a.file("ca"), client), true},
				"another name":          {with("localhost", "verify-identity", a.file("ca"), client), false},
				"another authority":     {with("127.0.0.1", "verify-ca", other.file("ca"), client), false},
				"no client certificate": {with("127.0.0.1", "verify-identity", a.file("ca"), nil), false},
			} {
				if err := follow(t, c.url); (err == nil) != c.works {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// follow connects as the service does, and reads the first event of the binlog.
func follow(t *testing.T, connection string) error {
	t.Helper()
	sources, err := (&Config{Sources: config.Sources{Connection: config.Secret(connection)}}).configs()
	if err != nil {
		return err
	}
	cfg := sources[0].Server
	s, err := server.Connect(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	at, err := s.Position(t.Context())
	if err != nil {
		return err
	}
	reader := binlog.NewReader(binlog.Config{Flavor: s.Flavor, Host: cfg.Host, Port: cfg.Port, User: cfg.User, Password: cfg.Password, TLS: cfg.TLS, ServerID: 99})
	ended := make(chan error, 1)
	go func() { ended <- reader.Run(t.Context(), at) }()
	select {
	case err := <-ended:
		return err
	case <-reader.Events():
		return nil
	}
}
