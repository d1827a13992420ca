package auth

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenSettings say which JSON Web Tokens are taken.
type TokenSettings struct {
	// Secret verifies HS256; PublicKey, in PEM, verifies RS256 or ES256, by its kind. One of them.
	Secret    string
	PublicKey []byte
	// Issuer and Audience must be those of the token, when they are set.
	Issuer, Audience string
}

// Tokens verifies JSON Web Tokens. A token must have "sub" and "exp", and "databases": a list of ids, or "*" for all. "admin": true
// makes it as good as the admin key.
type Tokens struct {
	key    any
	parser *jwt.Parser
}

// minSecret is what HS256 needs so that its secret cannot be guessed from a token.
const minSecret = 32

// NewTokens makes Tokens. The algorithm is fixed by the kind of key and never taken from a token.
func NewTokens(s TokenSettings) (*Tokens, error) {
	key, method, err := s.key()
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{jwt.WithValidMethods([]string{method}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(30 * time.Second)}
	if s.Issuer != "" {
		options = append(options, jwt.WithIssuer(s.Issuer))
	}
	if s.Audience != "" {
		options = append(options, jwt.WithAudience(s.Audience))
	}
	return &Tokens{key: key, parser: jwt.NewParser(options...)}, nil
}

func (s TokenSettings) key() (key any, method string, err error) {
	if s.Secret != "" {
		if len(s.Secret) < minSecret {
			return nil, "", fmt.Errorf("JWT_SECRET has %d characters; it needs %d or more", len(s.Secret), minSecret)
		}
		return []byte(s.Secret), jwt.SigningMethodHS256.Name, nil
	}
	if rsa, err := jwt.ParseRSAPublicKeyFromPEM(s.PublicKey); err == nil {
		return rsa, jwt.SigningMethodRS256.Name, nil
	}
	ecdsa, err := jwt.ParseECPublicKeyFromPEM(s.PublicKey)
	if err != nil {
		return nil, "", errors.New("JWT_PUBLIC_KEY_FILE holds no public key for RS256 or ES256 in PEM")
	}
	if ecdsa.Curve.Params().BitSize != 256 {
		return nil, "", errors.New("JWT_PUBLIC_KEY_FILE holds an elliptic key that is not of the curve P-256, which ES256 needs")
	}
	return ecdsa, jwt.SigningMethodES256.Name, nil
}

type claims struct {
	jwt.RegisteredClaims
	Databases jwt.ClaimStrings `json:"databases"`
	Admin     bool             `json:"admin"`
}

func (t *Tokens) identify(presented string) (*Identity, error) {
	var c claims
	if _, err := t.parser.ParseWithClaims(presented, &c, func(*jwt.Token) (any, error) { return t.key, nil }); err != nil || c.Subject == "" {
		return nil, ErrInvalid
	}
	return &Identity{
		Name: "token:" + c.Subject, Admin: c.Admin, databases: c.Databases, all: slices.Contains(c.Databases, "*"), expires: c.ExpiresAt.Time,
	}, nil
}
