package auth

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// Certificate is the server's certificate in two PEM files, read anew when they change, so that one that was renewed is
// used without a restart. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string

	mu      sync.Mutex // guards the fields below
	current *tls.Certificate
	checked time.Time
	stamp   [2]time.Time
}

// recheck is how often the files are looked at, at most.
const recheck = time.Second

// LoadCertificate reads the files.
func LoadCertificate(certFile, keyFile string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile}
	if err := c.refresh(time.Now()); err != nil {
		return nil, err
	}
	return c, nil
}

// Config is a server's configuration that uses the certificate: TLS 1.2 or newer.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// get returns the newest certificate. While the files are half replaced the one before stays.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= recheck {
		_ = c.refresh(now) // the one before is served, and the next handshake tries again
	}
	return c.current, nil
}

func (c *Certificate) refresh(now time.Time) error {
	c.checked = now
	var stamp [2]time.Time
	for i, path := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("reading the certificate (TLS_CERT_FILE, TLS_KEY_FILE): %w", err)
		}
		stamp[i] = info.ModTime()
	}
	if c.current != nil && stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate (TLS_CERT_FILE, TLS_KEY_FILE): %w", err)
	}
	c.current, c.stamp = &pair, stamp
	return nil
}
