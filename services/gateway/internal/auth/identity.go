// Package auth decides who may ask, and for what.
//
// Three kinds of secret open the gateway. The admin key opens everything. A database key, which the admin makes, opens one
// database for reading; only its SHA-256 is kept. A token is a JWT that another system has signed, for the databases that it names.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"
)

// Why a secret does not open the gateway.
var (
	ErrMissing = errors.New("no key was presented")
	ErrInvalid = errors.New("the key is wrong, expired or revoked")
	// ErrUnknown says that it cannot be told at the moment: the keys have not been read yet.
	ErrUnknown = errors.New("the keys of databases cannot be read yet")
)

// Identity is who asks.
type Identity struct {
	// Name tells identities apart, in logs and where they share something fairly: "admin", a key's id, or "token:" and its subject.
	Name string
	// Admin may do everything.
	Admin bool
	// databases are those that may be read, when Admin is not set; all says that these are all.
	databases []string
	all       bool
	keyID     string    // of a database key
	expires   time.Time // of a token or key, or zero
}

// May tells whether the identity may read a database.
func (i *Identity) May(database string) bool {
	return i.Admin || i.all || slices.Contains(i.databases, database)
}

// Default is the database that is meant when the request names none: "default", but the only one of an identity that has just one.
func (i *Identity) Default() string {
	if !i.Admin && !i.all && len(i.databases) == 1 {
		return i.databases[0]
	}
	return "default"
}

// secret is the hash of a key that opens everything.
type secret [sha256.Size]byte

func (s secret) matches(presented string) bool {
	sum := sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(s[:], sum[:]) == 1
}

// Authenticator knows all secrets. It is safe for concurrent use.
type Authenticator struct {
	admin  secret
	keys   *Keys
	tokens *Tokens
}

// New makes an Authenticator. Without keys or tokens, which may be nil, there are none of that kind.
func New(admin string, keys *Keys, tokens *Tokens) *Authenticator {
	return &Authenticator{admin: sha256.Sum256([]byte(admin)), keys: keys, tokens: tokens}
}

// Identify tells who presents a secret. The error is ErrMissing, ErrInvalid or ErrUnknown.
func (a *Authenticator) Identify(presented string) (*Identity, error) {
	switch {
	case presented == "":
		return nil, ErrMissing
	case a.admin.matches(presented):
		return &Identity{Name: "admin", Admin: true}, nil
	case strings.HasPrefix(presented, keyPrefix) && a.keys != nil:
		return a.keys.identify(presented)
	case a.tokens != nil:
		return a.tokens.identify(presented)
	}
	return nil, ErrInvalid
}

// Valid tells whether an identity is still good: it has not expired, and its key has not been revoked or disabled. It is cheap,
// so that a connection that stays open can ask before each request.
func (a *Authenticator) Valid(i *Identity) bool {
	if !i.expires.IsZero() && time.Now().After(i.expires) {
		return false
	}
	return i.keyID == "" || a.keys.usable(i.keyID)
}

// Bearer returns what an Authorization header presents: the token after "Bearer ", or the bare value, as Duckling's
// clients may send it.
func Bearer(header string) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return strings.TrimSpace(header)
}
