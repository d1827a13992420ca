package rest

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

const (
	localIdentity = "identity"
)

// access is who may use a route.
type access int

const (
	// anyone needs no key.
	anyone access = iota
	// readers need a key that is good for the database in question.
	readers
	// administrators need the admin key.
	administrators
)

// permit runs before a route's handler.
func (s *Server) permit(who access) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if who == anyone {
			return c.Next()
		}
		identity, err := s.Auth.Identify(presented(c))
		switch {
		case errors.Is(err, auth.ErrMissing):
			return &query.Error{Code: query.CodeAuthRequired, Message: "Authentication required. Send the API key in the header Authorization, after Bearer."}
		case errors.Is(err, auth.ErrInvalid):
			return &query.Error{Code: query.CodeUnauthorized, Message: "Invalid API key (API key mismatch)"}
		case err != nil:
			return err
		case who == administrators && !identity.Admin:
			return &query.Error{Code: query.CodeForbidden, Message: "This needs the admin key."}
		}
		c.Locals(localIdentity, identity)
		return c.Next()
	}
}

// presented is the secret that a request brings, in the header or, for clients that cannot set one, in ?token=.
func presented(c *fiber.Ctx) string {
	if header := auth.Bearer(c.Get(fiber.HeaderAuthorization)); header != "" {
		return header
	}
	return c.Query("token")
}

// param is one part of the path. Names of tables and databases may hold any character, which clients escape.
func param(c *fiber.Ctx, name string) string {
	text, err := url.PathUnescape(c.Params(name))
	if err != nil {
		text = c.Params(name)
	}
	return strings.Clone(text)
}

func identity(c *fiber.Ctx) *auth.Identity {
	return c.Locals(localIdentity).(*auth.Identity) //nolint:forcetypeassert // permit has set it, where a route needs a key
}

// database is the one that ?db= names, if the request may read it.
func (s *Server) database(c *fiber.Ctx) (string, error) {
	return s.allowed(c, strings.Clone(c.Query("db")))
}

// allowed returns the id of a database that exists and that the request may read; an empty one stands for the identity's own. Who
// may not see all databases is told nothing of the others.
func (s *Server) allowed(c *fiber.Ctx, id string) (string, error) {
	who := identity(c)
	if id == "" {
		id = who.Default()
	}
	if !who.May(id) {
		return "", &query.Error{Code: query.CodeForbidden, Message: "This API key cannot access database '" + id + "'."}
	}
	_, err := s.Databases.Get(id)
	var unknown *reader.UnknownError
	if errors.As(err, &unknown) && !who.Admin {
		return "", &query.Error{Code: query.CodeUnknownDatabase, Message: "Database '" + id + "' not found."}
	}
	return id, err
}

// cors lets pages of the configured origins read answers. The key comes in a header and never by itself, so credentials are not allowed.
func (s *Server) cors(c *fiber.Ctx) error {
	c.Vary(fiber.HeaderOrigin)
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" || !s.fromOrigin(origin) {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, strings.Clone(origin))
	c.Set(fiber.HeaderAccessControlExposeHeaders, strings.Join(exposed, ", "))
	if c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, "GET, POST, PATCH, DELETE")
	c.Set(fiber.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, Accept, If-None-Match, Traceparent, Tracestate")
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	return c.SendStatus(fiber.StatusNoContent)
}

func (s *Server) fromOrigin(origin string) bool {
	for _, allowed := range s.Origins {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
	}
	return false
}
