package rest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// apiKey is what is told of a key.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Last4     string     `json:"last4"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Enabled   bool       `json:"enabled"`
}

func told(r auth.Record) apiKey {
	return apiKey{ID: r.ID, Name: r.Name, Last4: r.Last4, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Enabled: r.Enabled}
}

// keyRequest is the body of POST and PATCH; what is absent stays as it is.
type keyRequest struct {
	Name      *string         `json:"name"`
	Enabled   *bool           `json:"enabled"`
	ExpiresAt json.RawMessage `json:"expiresAt"`
}

// maxName is how long a key's name may be.
const maxName = 200

func readKey(c *fiber.Ctx) (r keyRequest, expires *time.Time, err error) {
	if err := json.Unmarshal(c.Request().Body(), &r); err != nil {
		return r, nil, query.Unreadable(err)
	}
	if r.Name != nil && (strings.TrimSpace(*r.Name) == "" || len(*r.Name) > maxName) {
		return r, nil, invalid("name must have 1 to 200 characters")
	}
	if r.ExpiresAt == nil {
		return r, nil, nil
	}
	if err := json.Unmarshal(r.ExpiresAt, &expires); err != nil {
		return r, nil, invalid("expiresAt must be a time such as 2030-01-31T10:00:00Z, or null")
	}
	return r, expires, nil
}

// keysDatabase is the database in the route. It need not have data yet.
func keysDatabase(c *fiber.Ctx) string { return param(c, "database") }

func (s *Server) listKeys(c *fiber.Ctx) error {
	id, err := s.allowed(c, keysDatabase(c))
	if err != nil {
		return err
	}
	records, err := s.Keys.List(id)
	if err != nil {
		return err
	}
	keys := make([]apiKey, len(records))
	for i, r := range records {
		keys[i] = told(r)
	}
	return c.JSON(fiber.Map{"success": true, "databaseId": id, "apiKeys": keys})
}

// createKey answers with the key, which nobody can ask for again.
func (s *Server) createKey(c *fiber.Ctx) error {
	id, err := s.allowed(c, keysDatabase(c))
	if err != nil {
		return err
	}
	r, expires, err := readKey(c)
	if err != nil {
		return err
	}
	switch {
	case r.Name == nil:
		return invalid("name is required")
	case expires != nil && !expires.After(time.Now()):
		return invalid("expiresAt is in the past")
	}
	record, key, err := s.Keys.Create(c.UserContext(), id, *r.Name, expires)
	if err != nil {
		return err
	}
	s.Log.Info("api key made", "key", record.ID, "database", id)
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(fiber.StatusCreated).JSON(fiber.Map{"success": true, "databaseId": id, "secret": key, "apiKey": told(record)})
}

func (s *Server) changeKey(c *fiber.Ctx) error {
	r, expires, err := readKey(c)
	if err != nil {
		return err
	}
	id := keysDatabase(c)
	record, err := s.Keys.Change(c.UserContext(), id, param(c, "key"), func(record *auth.Record) {
		if r.Name != nil {
			record.Name = *r.Name
		}
		if r.Enabled != nil {
			record.Enabled = *r.Enabled
		}
		if r.ExpiresAt != nil {
			record.ExpiresAt = expires
		}
	})
	if err != nil {
		return err
	}
	s.Log.Info("api key changed", "key", record.ID, "database", id)
	return c.JSON(fiber.Map{"success": true, "databaseId": id, "apiKey": told(record)})
}

func (s *Server) revokeKey(c *fiber.Ctx) error {
	id, key := keysDatabase(c), param(c, "key")
	if err := s.Keys.Revoke(c.UserContext(), id, key); err != nil {
		return err
	}
	s.Log.Info("api key revoked", "key", key, "database", id)
	return c.JSON(fiber.Map{"success": true, "databaseId": id, "deleted": key})
}
