package binlog

import "encoding/binary"

// Values that stand in front of a statement, each after its code. Source: Query_event_post_header in MySQL's
// statement_events.h, and Query_log_event in log_event.h of MariaDB 10.11, which agree on these.
const (
	statusFlags     = 0
	statusMode      = 1
	statusIncrement = 3
	statusCharset   = 4
	statusCatalog   = 6

	modeNoBackslashEscapes = 1 << 20
)

// session reads what a statement's session had set: the collation of its characters, 0 where that is not told, and
// whether backslashes in strings stand for themselves. Both come before any value that is not known here.
func session(status []byte) (collation uint64, noEscapes bool) {
	c := &cutter{b: status}
	for len(c.b) > 0 && !c.bad {
		switch c.byte() {
		case statusFlags, statusIncrement:
			c.bytes(4)
		case statusMode:
			if mode := c.bytes(8); mode != nil {
				noEscapes = binary.LittleEndian.Uint64(mode)&modeNoBackslashEscapes != 0
			}
		case statusCatalog:
			c.bytes(int(c.byte()))
		case statusCharset:
			if client := c.bytes(2); client != nil {
				collation = uint64(binary.LittleEndian.Uint16(client))
			}
			return collation, noEscapes
		default:
			return 0, noEscapes
		}
	}
	return 0, noEscapes
}
