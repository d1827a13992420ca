// Package control passes requests on to the loader and to ingest, which answer over NATS.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
)

// ErrUnavailable says that there is no way to the service at the moment.
var ErrUnavailable = errors.New("cannot be reached")

// Command is a request to a service, in JSON.
type Command struct {
	Op    string `json:"op"` // of the loader status, resync, check, cancel, validate; of ingest status, pause, resume
	Table string `json:"table,omitempty"`
}

// Service is the service that a command is for.
type Service string

// The services.
const (
	Loader Service = "loader"
	Ingest Service = "ingest"
)

func (s Service) subject(database string) string {
	if s == Ingest {
		return bus.IngestControl(database)
	}
	return bus.LoaderControl(database)
}

// Client asks over NATS. The gateway serves queries without it, so that NATS may come later or be away.
type Client struct {
	config bus.Config
	bus    atomic.Pointer[bus.Bus]
}

// New makes a Client; with an empty URL it answers everything with ErrUnavailable.
func New(url string, log *slog.Logger) *Client {
	return &Client{config: bus.Config{URL: url, Name: "duckling-gateway", Logger: log}}
}

// Run connects, however long that takes, and holds the connection until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	for tries := 0; c.config.URL != ""; tries++ {
		b, err := bus.Connect(ctx, c.config)
		if err == nil {
			c.bus.Store(b)
			defer b.Close()
			break
		}
		if ctx.Err() == nil && tries == 0 {
			c.config.Logger.Warn("no connection to nats; queries are served, status and resync of other services are not", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
	<-ctx.Done()
	return nil
}

// Bus is the connection to NATS, or nil while there is none.
func (c *Client) Bus() *bus.Bus { return c.bus.Load() }

// Ask sends a command and returns the answer's JSON. It returns ErrUnavailable when the
// service cannot be reached, and a *bus.ControlError when the service refused.
func (c *Client) Ask(ctx context.Context, service Service, database string, command Command) (json.RawMessage, error) {
	if c.config.URL == "" {
		return nil, fmt.Errorf("%s %w: NATS_URL is not set for the gateway", service, ErrUnavailable)
	}
	b := c.bus.Load()
	if b == nil {
		return nil, fmt.Errorf("%s %w: there is no connection to NATS (NATS_URL)", service, ErrUnavailable)
	}
	request, err := json.Marshal(command)
	if err != nil {
		return nil, fmt.Errorf("encoding command: %w", err)
	}
	answer, err := b.Request(ctx, service.subject(database), request)
	var refused *bus.ControlError
	switch {
	case errors.As(err, &refused):
		return nil, err
	case errors.Is(err, bus.ErrNoResponders):
		return nil, fmt.Errorf("%s of database '%s' %w: it does not run", service, database, ErrUnavailable)
	case err != nil:
		return nil, fmt.Errorf("%s %w: %w", service, ErrUnavailable, err)
	}
	return answer, nil
}
