package query

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rates hold each key to Limits.Rate statements a second, with Limits.Burst at once.
type rates struct {
	limit rate.Limit
	burst int

	mu    sync.Mutex // guards byKey
	byKey map[string]*rate.Limiter
}

func newRates(limits *Limits) *rates {
	return &rates{limit: rate.Limit(limits.Rate), burst: limits.Burst, byKey: make(map[string]*rate.Limiter)}
}

// maxRates is the number of keys from which those that have spent nothing lately are forgotten.
const maxRates = 10000

func (r *rates) of(key string, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.byKey[key]; l != nil {
		return l
	}
	if len(r.byKey) >= maxRates {
		for key, l := range r.byKey {
			if l.TokensAt(now) >= float64(r.burst) {
				delete(r.byKey, key)
			}
		}
	}
	l := rate.NewLimiter(r.limit, r.burst)
	r.byKey[key] = l
	return l
}

// Spend takes n statements from what a key may send. The error, an *Error, says when to come again; then nothing is taken.
func (s *Service) Spend(key string, n int) error {
	if s.limits.Rate == 0 {
		return nil
	}
	now := time.Now()
	reservation := s.rates.of(key, now).ReserveN(now, n)
	if !reservation.OK() {
		s.metrics.rejected(rejectedRate)
		return &Error{Code: CodeLimit, Message: fmt.Sprintf("%d statements at once are more than this key may send (QUERY_BURST is %d)", n, s.limits.Burst)}
	}
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	s.metrics.rejected(rejectedRate)
	return &Error{Code: CodeRateLimited, Message: fmt.Sprintf("this key may send %v statements a second (QUERY_RATE)", s.limits.Rate), RetryAfter: wait}
}
