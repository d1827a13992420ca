package query

import "time"

// reliefEvery is how long a loader has to notice that a generation was let go before the next one is.
const reliefEvery = time.Second

// relieve lets go of a generation for which a loader waits: of each such database the oldest one with statements that would have run out
// of time long ago, were it not that their clients read slowly. Those are stopped, and end as soon as their clients have taken or refused what
// is on its way to them. last is when that was done for each database.
func (s *Service) relieve(now time.Time, all []*ticket, last map[string]time.Time) {
	oldest := make(map[string]uint64)
	for _, t := range all {
		g := t.generation
		if !t.overstays(now) {
			continue
		}
		if t.reason() != nil { // it is about to end
			last[g.Database] = now
		}
		if n, known := oldest[g.Database]; !known || g.Number < n {
			oldest[g.Database] = g.Number
		}
	}
	for _, t := range all {
		g := t.generation
		if n, known := oldest[g.Database]; !known || n != g.Number || now.Sub(last[g.Database]) < reliefEvery || !t.overstays(now) {
			continue
		}
		if t.stop(overstayed(now.Sub(t.began))) {
			s.metrics.rejected(rejectedHold)
		}
	}
}

// overstays tells whether the statement, pauses included, has taken longer than it may run, on a generation that a loader waits for.
func (t *ticket) overstays(now time.Time) bool {
	return now.Sub(t.began) > t.statement.Timeout && t.generation.Wanted()
}
