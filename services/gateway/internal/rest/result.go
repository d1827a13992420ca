package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// The headers that say which state of the source an answer reflects.
const (
	headerDatabase   = "X-Duckling-Database"
	headerGeneration = "X-Duckling-Generation"
	headerPosition   = "X-Duckling-Position"
	headerAsOf       = "X-Duckling-As-Of"
	headerLagMs      = "X-Duckling-Lag-Ms"
)

// exposed are the headers that pages of other origins may read.
var exposed = []string{headerDatabase, headerGeneration, headerPosition, headerAsOf, headerLagMs, trailerRows, fiber.HeaderETag, fiber.HeaderRetryAfter, fiber.HeaderLocation}

// maxPosition is how long a position may be to fit a header with room to spare; a longer one is only in the body.
const maxPosition = 2048

func setFreshness(c *fiber.Ctx, m *generation.Manifest) {
	f := query.AsOf(m, time.Now())
	// An id may hold any character that a folder's name can.
	c.Set(headerDatabase, url.PathEscape(f.Database))
	c.Set(headerGeneration, strconv.FormatUint(f.Generation, 10))
	c.Set(headerLagMs, strconv.FormatInt(f.LagMs, 10))
	if f.AsOf != nil {
		c.Set(headerAsOf, f.AsOf.Format(time.RFC3339Nano))
	}
	if position := strings.Join(strings.Fields(f.Position.GTIDSet), ""); position != "" && len(position) <= maxPosition {
		c.Set(headerPosition, position)
	}
}

// task is a statement with the form in which its result is wanted.
type task struct {
	database  string
	statement query.Statement
	format    encode.Format
	options   encode.Options
	bom       bool
}

// answer runs a task and sends its result.
func (s *Server) answer(c *fiber.Ctx, t *task) error {
	snapshot, err := s.Queries.Snapshot(t.database)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	setFreshness(c, snapshot.Manifest())
	c.Vary(fiber.HeaderAccept, fiber.HeaderAcceptEncoding, fiber.HeaderAuthorization)
	c.Set(fiber.HeaderCacheControl, "no-store")
	if c.Method() != fiber.MethodPost && snapshot.Repeatable(t.statement) {
		tag, err := t.tag(snapshot.Manifest())
		if err != nil {
			return err
		}
		// A cache may keep the answer and must ask before it uses it.
		c.Set(fiber.HeaderCacheControl, "private, no-cache")
		c.Set(fiber.HeaderETag, tag)
		if matches(c.Get(fiber.HeaderIfNoneMatch), tag) {
			return c.SendStatus(fiber.StatusNotModified)
		}
	}
	if t.format == encode.FormatJSON {
		return s.sendWhole(c, snapshot, t, `{"result":`)
	}
	return s.sendRows(c, snapshot, t)
}

// tag is the ETag of a result: the same for the same statement, parameters and form on the same generation. It is weak, as the age
// of the data that stands beside the rows differs.
func (t *task) tag(m *generation.Manifest) (string, error) {
	data, err := json.Marshal([]any{
		m.Database, m.Generation, m.File, m.HeaderSHA256, t.statement.SQL, t.statement.Params, t.statement.Dialect, t.format, t.options, t.bom,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return `W/"` + hex.EncodeToString(sum[:16]) + `"`, nil
}

// matches tells whether an If-None-Match header names the tag.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// sendWhole sends the rows as objects, after before. Such a result is bounded, may come from the cache and has its length.
func (s *Server) sendWhole(c *fiber.Ctx, snapshot *query.Snapshot, t *task, before string) error {
	answered := make(chan query.Answer, 1)
	handle := snapshot.Go(t.statement, t.options, []byte(before), func(a query.Answer) { answered <- a })
	stop := watch(c.Context().Conn(), func() { handle.Cancel() })
	unwatch := context.AfterFunc(c.UserContext(), func() { handle.Cancel() })
	a := <-answered
	unwatch()
	stop()
	if a.Err != nil {
		return a.Err
	}
	freshness, err := json.Marshal(query.AsOf(snapshot.Manifest(), time.Now()))
	if err != nil {
		return err
	}
	// The answer may be shared with others, so it is not appended to.
	return s.sendJSON(c, slices.Concat(a.JSON, []byte{','}, freshness[1:]))
}

// sendRows sends a result of any size: a short one with its length, a longer one as a stream.
func (s *Server) sendRows(c *fiber.Ctx, snapshot *query.Snapshot, t *task) error {
	ctx, cancel := context.WithCancel(c.UserContext())
	stop := watch(c.Context().Conn(), cancel)
	release := func() {
		stop()
		cancel()
	}
	rows, err := snapshot.Query(ctx, t.statement)
	if err != nil {
		release()
		return err
	}
	wanted := ""
	if t.format != encode.FormatParquet { // which is compressed as it is
		wanted = coding(c.Get(fiber.HeaderAcceptEncoding))
	}
	body, err := newStream(rows, t.format, wanted, t.options, t.bom, snapshot.Manifest())
	if err != nil {
		rows.Close()
		release()
		return err
	}
	body.release = release
	body.fill(wholeBytes)
	if body.err != nil {
		err := body.err
		return errors.Join(err, body.Close())
	}
	c.Set(fiber.HeaderContentType, t.format.MediaType())
	if wanted != "" {
		c.Set(fiber.HeaderContentEncoding, wanted)
	}
	if body.ended {
		c.Set(trailerRows, strconv.FormatInt(body.count, 10))
		c.Response().SetBodyRaw(body.pending.Bytes())
		return body.Close()
	}
	rows.Pause()
	body.conn, body.header, body.limit, body.slow = c.Context().Conn(), &c.Response().Header, s.SendTimeout, s.slow
	if err := c.Response().Header.SetTrailer(trailerRows); err != nil {
		return errors.Join(err, body.Close())
	}
	c.Response().SetBodyStream(body, -1)
	return nil
}

// minCompressed is from which size on compressing is worth its time.
const minCompressed = 1 << 10

// sendJSON sends a whole body of JSON, compressed when the client takes that.
func (s *Server) sendJSON(c *fiber.Ctx, body []byte) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Vary(fiber.HeaderAcceptEncoding)
	if wanted := coding(c.Get(fiber.HeaderAcceptEncoding)); wanted != "" && len(body) >= minCompressed {
		smaller, err := squeeze(wanted, body)
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentEncoding, wanted)
		body = smaller
	}
	if len(body) > patientBytes {
		s.sendPatiently(c, io.NopCloser(bytes.NewReader(body)), len(body))
		return nil
	}
	c.Response().SetBodyRaw(body)
	return nil
}

// patientBytes is over which size a body is sent with a limit on the time that the client takes for it; a shorter one fits
// the buffers of the connection.
const patientBytes = 1 << 20

// sendPatiently sends a body of known length, and gives up when the client does not take any of it for the server's SendTimeout.
func (s *Server) sendPatiently(c *fiber.Ctx, body io.ReadCloser, length int) {
	c.Response().SetBodyStream(&patient{ReadCloser: body, conn: c.Context().Conn(), limit: s.SendTimeout, slow: s.slow}, length)
}

func (s *Server) slow() { s.Metrics.refused.WithLabelValues(refusedSlow).Inc() }

type patient struct {
	io.ReadCloser
	conn  net.Conn
	limit time.Duration
	until time.Time
	slow  func() // is told that the client did not take it in time
}

// Read implements io.Reader for the server, which writes what it read before it reads again.
func (p *patient) Read(b []byte) (int, error) {
	if now := time.Now(); p.until.Sub(now) < p.limit/2 {
		p.until = now.Add(p.limit)
		_ = p.conn.SetWriteDeadline(p.until) // should this fail, so will the write
	}
	return p.ReadCloser.Read(b)
}

func (p *patient) Close() error {
	if time.Now().After(p.until) && !p.until.IsZero() {
		p.slow()
	}
	_ = p.conn.SetWriteDeadline(time.Time{}) // the connection may have gone
	return p.ReadCloser.Close()
}
