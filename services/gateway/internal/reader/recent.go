package reader

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// lately is how long ago a statement may have been used to be prepared ahead.
	lately = time.Minute
	// quick is how long preparing one may take for that: a new generation does not wait for more.
	quick = 20 * time.Millisecond
)

// recent knows the statements that were used lately, at most so many. They are prepared on each new generation before it is served, so
// that the first to ask on it do not pay for that.
type recent struct {
	most int

	mu   sync.Mutex // guards used
	used map[string]time.Time
}

// note says that a statement is used now.
func (r *recent) note(sql string, now time.Time) {
	if r.most == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used[sql] = now
	if len(r.used) > 2*r.most {
		for _, old := range r.newestFirst()[r.most:] {
			delete(r.used, old)
		}
	}
}

// forget drops a statement that cannot be prepared any more.
func (r *recent) forget(sql string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.used, sql)
}

// list returns the statements that were used lately.
func (r *recent) list(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.newestFirst()
	all = all[:min(len(all), r.most)]
	return slices.DeleteFunc(all, func(sql string) bool { return now.Sub(r.used[sql]) > lately })
}

func (r *recent) newestFirst() []string {
	all := make([]string, 0, len(r.used))
	for sql := range r.used {
		all = append(all, sql)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(r.used[b].UnixNano(), r.used[a].UnixNano()) })
	return all
}
