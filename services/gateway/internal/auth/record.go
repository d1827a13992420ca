package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// keyPrefix begins every database key, so that one that leaked is recognised.
const keyPrefix = "dk_"

// Record is what is kept of a database key: everything but the key.
type Record struct {
	ID        string     `json:"id"`
	Database  string     `json:"database"`
	Name      string     `json:"name"`
	Last4     string     `json:"last4"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Enabled   bool       `json:"enabled"`
	// SHA256 is the hash of the whole key, in hexadecimal. The key holds 256 random bits, so a plain hash is enough.
	SHA256 string `json:"sha256"`
}

// newRecord makes a key and its record.
func newRecord(database, name string, expires *time.Time) (Record, string) {
	var random [32 + 6]byte
	_, _ = rand.Read(random[:]) // it never fails; it ends the process instead
	key := keyPrefix + base64.RawURLEncoding.EncodeToString(random[:32])
	sum := sha256.Sum256([]byte(key))
	return Record{
		ID: "key_" + hex.EncodeToString(random[32:]), Database: database, Name: name, Last4: key[len(key)-4:],
		CreatedAt: time.Now().UTC().Truncate(time.Second), ExpiresAt: expires, Enabled: true, SHA256: hex.EncodeToString(sum[:]),
	}, key
}

func (r *Record) usable(now time.Time) bool {
	return r.Enabled && (r.ExpiresAt == nil || now.Before(*r.ExpiresAt))
}
