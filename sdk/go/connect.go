package duckling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// connect dials and gives the key. It returns an open session, or why there is none.
func connect(ctx context.Context, cfg Config) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	options := &websocket.DialOptions{HTTPClient: cfg.HTTPClient}
	if cfg.Compress {
		options.CompressionMode = websocket.CompressionNoContextTakeover
		options.CompressionThreshold = wire.MaxFrame // no request is compressed
	}
	conn, response, err := websocket.Dial(ctx, cfg.URL, options) //nolint:bodyclose // Dial says the body never needs closing
	if err != nil {
		return nil, dialError(ctx, cfg, response, err)
	}
	conn.SetReadLimit(maxReply)
	if err := authenticate(ctx, conn, cfg.APIKey); err != nil {
		_ = conn.CloseNow() // the reason to hang up is err
		if ctx.Err() != nil {
			err = connectTimeout(ctx, cfg)
		}
		return nil, err
	}
	return newSession(conn, 2), nil
}

func dialError(ctx context.Context, cfg Config, response *http.Response, err error) error {
	if ctx.Err() != nil {
		return connectTimeout(ctx, cfg)
	}
	e := &Error{Code: CodeConnect, Message: "connecting to " + cfg.URL, Retryable: true, Err: err}
	if response == nil {
		return e
	}
	e.Message = fmt.Sprintf("connecting to %s: the server answered %s", cfg.URL, response.Status)
	e.Err = nil
	switch response.StatusCode {
	case http.StatusUnauthorized:
		e.Code, e.Retryable = CodeAuthInvalid, false
	case http.StatusForbidden:
		e.Code, e.Retryable = CodeForbidden, false
	}
	return e
}

func connectTimeout(ctx context.Context, cfg Config) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ErrClosed // only Close ends the context a connection is made under
	}
	return &Error{
		Code:      CodeConnect,
		Message:   fmt.Sprintf("no connection to %s within %v", cfg.URL, cfg.ConnectTimeout),
		Retryable: true,
		Err:       context.DeadlineExceeded,
	}
}

// authenticate sends the key as request 1 and waits for the answer. What comes before it
// is the welcome.
func authenticate(ctx context.Context, conn *websocket.Conn, key string) error {
	refused := func(err error) error {
		return closedBy(err, &Error{Code: CodeConnect, Message: "the connection ended before the server answered to the key", Retryable: true, Err: err})
	}
	if err := conn.Write(ctx, websocket.MessageText, wire.Auth(key).Frame(1)); err != nil {
		// The server may have hung up at once, as it does for a database it does not have: its reason is there to be read.
		if _, _, read := conn.Read(ctx); websocket.CloseStatus(read) != -1 {
			err = read
		}
		return refused(err)
	}
	var (
		frames frameReader
		heard  atomic.Bool
	)
	for {
		frame, err := frames.next(ctx, conn, &heard)
		if err != nil {
			return refused(err)
		}
		id, err := wire.ID(frame)
		if err != nil {
			return protocolError(err)
		}
		if id != "1" && id != wire.IDParseError {
			continue
		}
		reply, err := wire.Parse(frame)
		if err != nil {
			return protocolError(err)
		}
		if reply.Success {
			return nil
		}
		e := failure(reply.Failure)
		if e.Code == "" {
			e.Code = CodeAuthInvalid // a server from before codes
		}
		return e
	}
}

// link is a connection being made, or made: ready is closed when session or err is set.
type link struct {
	ready   chan struct{}
	session *session
	err     error
}

func newLink() *link { return &link{ready: make(chan struct{})} }

func (l *link) resolve(s *session, err error) {
	l.session, l.err = s, err
	close(l.ready)
}

// keep makes the connection that l stands for and makes it again when it is lost, until
// ctx ends, the attempts are used up, or the server refuses for good. The first connection
// gets one attempt: whoever asked for it is waiting and can decide better.
func (c *Client) keep(ctx context.Context, l *link) {
	session, err := connect(ctx, c.cfg)
	for attempt := 0; ; {
		if err != nil {
			c.drop(l, err)
			return
		}
		l.resolve(session, nil)
		c.cfg.OnEvent(Event{Kind: Connected, Attempt: attempt})

		var next *link
		why := session.run(ctx, c.cfg.PingInterval, func(why error) {
			if ctx.Err() == nil && !c.cfg.NoReconnect && !final(why) {
				next = newLink()
			}
			c.replace(next)
		})
		if CodeOf(why) == CodeClosed {
			why = nil
		}
		c.cfg.OnEvent(Event{Kind: Disconnected, Err: why})
		if next == nil {
			return
		}
		l = next
		session, attempt, err = c.reconnect(ctx, why)
	}
}

// reconnect tries until it has a session. why is the reason the one before was lost.
func (c *Client) reconnect(ctx context.Context, why error) (_ *session, attempt int, _ error) {
	for attempt = 1; ; attempt++ {
		if most := c.cfg.MaxReconnectAttempts; most >= 0 && attempt > most {
			return nil, attempt, &Error{
				Code:      CodeConnect,
				Message:   fmt.Sprintf("reconnect attempts exhausted after %d tries", most),
				Retryable: true,
				Err:       why,
			}
		}
		delay := backoff(c.cfg.ReconnectDelay, attempt)
		c.cfg.OnEvent(Event{Kind: Reconnecting, Attempt: attempt, Delay: delay, Err: why})
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, attempt, ErrClosed
		}
		session, err := connect(ctx, c.cfg)
		if err == nil || final(err) || ctx.Err() != nil {
			return session, attempt, err
		}
		why = err
	}
}

// backoff doubles with each attempt and takes off up to half at random.
func backoff(first time.Duration, attempt int) time.Duration {
	delay := max(first, maxReconnectDelay)
	if shift := attempt - 1; shift < 16 {
		delay = min(first<<shift, delay)
	}
	return delay - rand.N(delay/2+1)
}
