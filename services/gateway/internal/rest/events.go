package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/control"
)

const (
	// lookEvery is how often the loader is asked for its progress, for each client that follows it.
	lookEvery = time.Second
	// heartbeatEvery is the longest silence of a stream of events.
	heartbeatEvery = 15 * time.Second
	// eventTimeout is how long a client may take for an event.
	eventTimeout = 10 * time.Second
)

// events sends the loader's work on copies and comparisons as server-sent events: one at once, and one whenever it has changed. While the
// loader cannot be asked, events of the kind "unavailable" say so.
func (s *Server) events(c *fiber.Ctx) error {
	id, err := s.database(c)
	if err != nil {
		return err
	}
	first, err := s.progress(c.UserContext(), id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("X-Accel-Buffering", "no") // proxies must not collect events
	ctx, conn := c.UserContext(), c.Context().Conn()
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		f := follower{server: s, database: id, out: w, conn: conn}
		f.run(ctx, first)
	})
	return nil
}

// follower is one client's stream of events.
type follower struct {
	server   *Server
	database string
	out      *bufio.Writer
	conn     net.Conn
	last     []byte
	sent     time.Time
}

// run sends events until the client or the gateway ends.
func (f *follower) run(ctx context.Context, first []byte) {
	// The connection ends with the stream, whose length nobody told.
	defer func() { _ = f.conn.SetWriteDeadline(time.Time{}) }()
	if f.send("progress", first) != nil {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		kind := "progress"
		data, err := f.server.progress(ctx, f.database)
		if err != nil {
			kind = "unavailable"
			if data, err = json.Marshal(fiber.Map{"error": err.Error()}); err != nil {
				return
			}
		}
		if f.send(kind, data) != nil {
			return
		}
	}
}

// send sends an event, unless it is the last one again; then a sign of life now and then.
func (f *follower) send(kind string, data []byte) error {
	// Should this fail, so will the write.
	_ = f.conn.SetWriteDeadline(time.Now().Add(eventTimeout))
	var text string
	switch {
	case !bytes.Equal(data, f.last):
		text = fmt.Sprintf("event: %s\ndata: %s\n\n", kind, data)
	case time.Since(f.sent) >= heartbeatEvery:
		text = ": heartbeat\n\n"
	default:
		return nil
	}
	f.last, f.sent = data, time.Now()
	_, err := f.out.WriteString(text)
	return errors.Join(err, f.out.Flush())
}

// progress is the part of the loader's status that events tell of.
func (s *Server) progress(ctx context.Context, database string) ([]byte, error) {
	answer, err := s.Control.Ask(ctx, control.Loader, database, control.Command{Op: "status"})
	if err != nil {
		return nil, err
	}
	var status struct {
		Resync json.RawMessage `json:"resync"`
		Tables []struct {
			Name          string          `json:"name"`
			Stale         string          `json:"stale,omitempty"`
			Copy          json.RawMessage `json:"copy,omitempty"`
			CopyCancelled json.RawMessage `json:"copyCancelled,omitempty"`
			Check         json.RawMessage `json:"check,omitempty"`
			Comparing     json.RawMessage `json:"comparing,omitempty"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(answer, &status); err != nil {
		return nil, fmt.Errorf("reading the loader's status: %w", err)
	}
	return json.Marshal(fiber.Map{"resync": status.Resync, "tables": status.Tables})
}
