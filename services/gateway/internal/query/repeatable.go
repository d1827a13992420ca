package query

// Repeatable tells whether a statement gives the same result each time that it runs on this generation: it may run, and has no
// clock, random number or sample in it.
func (sn *Snapshot) Repeatable(st Statement) bool {
	p := sn.service.plan(sn.generation.Database, st)
	return p.err == nil && !p.volatile
}
