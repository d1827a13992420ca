package replica

import "time"

// marks are how far the stream was not needed any more at some times, the oldest first.
type marks []mark

type mark struct {
	at  time.Time
	seq uint64
}

// note adds a mark and returns up to where frames have not been needed for as long as keep, 0 when that cannot be told of any.
func (m *marks) note(now time.Time, seq uint64, keep time.Duration) uint64 {
	all := append(*m, mark{now, seq})
	for len(all) > 1 && now.Sub(all[1].at) >= keep {
		all = all[1:]
	}
	*m = all
	if now.Sub(all[0].at) < keep {
		return 0
	}
	return all[0].seq
}
