// Package auth decides who may ask.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// Key is the API key that opens everything, kept as its hash.
type Key struct{ sum [sha256.Size]byte }

// NewKey keeps the key's hash.
func NewKey(secret string) Key { return Key{sha256.Sum256([]byte(secret))} }

// Matches compares in constant time.
func (k Key) Matches(presented string) bool {
	sum := sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(k.sum[:], sum[:]) == 1
}

// Bearer returns what an Authorization header presents: the token after "Bearer ", or the bare value, as Duckling's
// clients may send it.
func Bearer(header string) string {
	if len(header) > 7 && strings.EqualFold(header[:7], "bearer ") {
		return strings.TrimSpace(header[7:])
	}
	return strings.TrimSpace(header)
}
