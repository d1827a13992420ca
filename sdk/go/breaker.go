package duckling

import (
	"context"
	"errors"
	"sync"
	"time"
)

// BreakerConfig says when a Breaker stops asking. Zero fields mean their defaults.
type BreakerConfig struct {
	// Failures in a row that open the circuit. Default 5. Only those count for which IsServerFault is true.
	Failures int
	// Successes in a row, one request at a time, that close it again. Default 2.
	Successes int
	// OpenFor is how long no request is let through. Default 1 minute.
	OpenFor time.Duration
	// Fallback answers in place of a server that is at fault or is not asked; err says which.
	// It may return an older result (see ParseResult), or err. Default: err is returned.
	Fallback func(ctx context.Context, request Request, err error) (*Result, error)
}

// Breaker stops asking a server that keeps failing: for a while requests fail at once,
// with CodeBreakerOpen, and then a few are tried one at a time until enough succeed. It
// is a Querier itself, safe for concurrent use.
type Breaker struct {
	next Querier
	cfg  BreakerConfig

	mu       sync.Mutex
	open     bool
	openedAt time.Time
	trying   bool // while open: a request is under way to see how the server is
	streak   int  // failures in a row while closed, successes in a row while open
}

// NewBreaker guards q. It starts closed, letting everything through.
func NewBreaker(q Querier, cfg BreakerConfig) *Breaker {
	orDefault(&cfg.Failures, 5)
	orDefault(&cfg.Successes, 2)
	orDefault(&cfg.OpenFor, time.Minute)
	if cfg.Fallback == nil {
		cfg.Fallback = func(_ context.Context, _ Request, err error) (*Result, error) { return nil, err }
	}
	return &Breaker{next: q, cfg: cfg}
}

// Do runs a request, unless the circuit is open.
func (b *Breaker) Do(ctx context.Context, request Request) (*Result, error) {
	trial, err := b.admit(time.Now())
	if err != nil {
		return b.cfg.Fallback(ctx, request, err)
	}
	result, err := b.next.Do(ctx, request)
	b.record(time.Now(), trial, err)
	if IsServerFault(err) {
		return b.cfg.Fallback(ctx, request, err)
	}
	return result, err
}

// Query is Do for a statement and its values.
func (b *Breaker) Query(ctx context.Context, sql string, args ...any) (*Result, error) {
	return b.Do(ctx, Request{SQL: sql, Args: args})
}

// admit reports whether a request let through is a trial of an open circuit.
func (b *Breaker) admit(now time.Time) (trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return false, nil
	}
	wait := b.openedAt.Add(b.cfg.OpenFor).Sub(now)
	if wait > 0 || b.trying {
		return false, &Error{Code: CodeBreakerOpen, Message: "the circuit breaker is open", Retryable: true, RetryAfter: max(wait, 0)}
	}
	b.trying = true
	return true, nil
}

func (b *Breaker) record(now time.Time, trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	}
	switch {
	case err != nil && !IsServerFault(err):
		// It says nothing about the server.
	case b.open && !trial:
		// It was let through before the circuit opened, and adds nothing to that.
	case err != nil:
		b.streak++
		if b.open || b.streak >= b.cfg.Failures {
			b.open, b.openedAt, b.streak = true, now, 0
		}
	case !b.open:
		b.streak = 0
	default:
		b.streak++
		if b.streak >= b.cfg.Successes {
			b.open, b.streak = false, 0
		}
	}
}

// IsServerFault reports whether an error says that the server is unwell or out of reach, as
// against a request that is wrong in itself or was called off by its caller.
func IsServerFault(err error) bool {
	if err == nil {
		return false
	}
	switch CodeOf(err) {
	case "":
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	case CodeBadRequest, CodeSQLSyntax, CodeSQLForbidden, CodeSQLParams, CodeSQLError, CodeNotFound,
		CodeStatementNotFound, CodeCancelled, CodeResultTooLarge, CodeConfig, CodeClosed:
		return false
	}
	return true
}
