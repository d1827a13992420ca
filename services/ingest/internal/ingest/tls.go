package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/chittihq/duckling/pkg/config"
)

// clientTLS builds what a source's tls parameters ask for; nil means plain text.
func clientTLS(s config.Source) (*tls.Config, error) {
	if s.TLS.Mode == config.TLSOff {
		return nil, nil
	}
	c := &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
	if s.TLS.CA != "" {
		pem, err := os.ReadFile(s.TLS.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the ca of the connection string: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the ca of the connection string, %s, holds no PEM certificate", s.TLS.CA)
		}
	}
	if s.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.TLS.Cert, s.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("reading cert and key of the connection string: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch s.TLS.Mode {
	case config.TLSVerifyIdentity:
	case config.TLSVerifyCA:
		// The chain is checked, the name is not.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(c.RootCAs, state) }
	case config.TLSSkipVerify:
		c.InsecureSkipVerify = true
	default:
		return nil, fmt.Errorf("tls=%s is not supported for replication; use false, skip-verify, verify-ca or verify-identity", s.TLS.Mode)
	}
	return c, nil
}

func verifyChain(roots *x509.CertPool, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}
