package binlog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"
)

// Flavor tells the two families of servers apart.
type Flavor string

const (
	MySQL   Flavor = mysql.MySQLFlavor
	MariaDB Flavor = mysql.MariaDBFlavor
)

// Position is a point between two transactions of a source.
type Position struct {
	// GTIDs has executed everything up to here; nil where the source has no GTIDs.
	GTIDs *GTIDSet
	// File and Offset are the same point in the server's binlog. Where GTIDs is set they may
	// be behind it until the first event arrives.
	File   string
	Offset uint64
	// CommitTime is when the last transaction was committed, microseconds since 1970 UTC.
	CommitTime int64
}

// Reached reports whether p is at or after another position of the same server's binlog.
func (p Position) Reached(file string, offset uint64) bool {
	if p.File != file {
		return fileNumber(p.File) > fileNumber(file)
	}
	return p.Offset >= offset
}

// fileNumber is N of binlog.N. Files of one server are numbered in order.
func fileNumber(file string) uint64 {
	n, err := strconv.ParseUint(file[strings.LastIndexByte(file, '.')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// GTID names one transaction.
type GTID struct {
	// MySQL: the server the transaction was committed on first, the tag, and its number.
	server uuid.UUID
	tag    mysql.Tag
	// MariaDB: domain and server.
	domain, serverID uint32
	number           uint64
}

// Valid is false for a transaction without a GTID.
func (g GTID) Valid() bool { return g.number != 0 }

// GTIDSet is a set of executed transactions: MySQL's intervals by server, or MariaDB's
// last transaction by domain. Not safe for concurrent use.
type GTIDSet struct {
	mysql   *mysql.MysqlGTIDSet
	mariadb map[uint32]GTID

	// A run of consecutive transactions not yet merged into mysql. Merging each by itself would cost
	// more than decoding it.
	run         GTID
	first, last uint64
}

// ParseGTIDSet reads a set in the flavor's own text form.
func ParseGTIDSet(flavor Flavor, text string) (*GTIDSet, error) {
	text = strings.ReplaceAll(text, "\n", "")
	set, err := mysql.ParseGTIDSet(string(flavor), text)
	if err != nil {
		return nil, fmt.Errorf("reading GTID set %q: %w", text, err)
	}
	switch set := set.(type) {
	case *mysql.MysqlGTIDSet:
		return &GTIDSet{mysql: set}, nil
	case *mysql.MariadbGTIDSet:
		s := &GTIDSet{mariadb: map[uint32]GTID{}}
		for domain, g := range set.Sets {
			s.mariadb[domain] = GTID{domain: domain, serverID: g.ServerID, number: g.SequenceNumber}
		}
		return s, nil
	}
	return nil, fmt.Errorf("reading GTID set %q: no form this release knows", text)
}

// Add marks a transaction as executed.
func (s *GTIDSet) Add(g GTID) {
	if s.mariadb != nil {
		s.mariadb[g.domain] = g
		return
	}
	if s.last != 0 && g.number == s.last+1 && g.server == s.run.server && g.tag == s.run.tag {
		s.last = g.number
		return
	}
	s.merge()
	s.run, s.first, s.last = g, g.number, g.number
}

func (s *GTIDSet) merge() {
	if s.last == 0 {
		return
	}
	tags := (*s.mysql)[s.run.server]
	if tags == nil {
		tags = map[mysql.Tag]mysql.IntervalSlice{}
		(*s.mysql)[s.run.server] = tags
	}
	tags[s.run.tag] = append(tags[s.run.tag], mysql.Interval{Start: int64(s.first), Stop: int64(s.last) + 1}).Normalize()
	s.last = 0
}

// String is the set in the flavor's own text form.
func (s *GTIDSet) String() string {
	if s == nil {
		return ""
	}
	if s.mariadb == nil {
		s.merge()
		return s.mysql.String()
	}
	domains := make([]uint32, 0, len(s.mariadb))
	for d := range s.mariadb {
		domains = append(domains, d)
	}
	slices.Sort(domains)
	var b strings.Builder
	for i, d := range domains {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d-%d-%d", d, s.mariadb[d].serverID, s.mariadb[d].number)
	}
	return b.String()
}

// Contains reports whether every transaction of other was executed in s.
func (s *GTIDSet) Contains(other *GTIDSet) bool {
	if s.mariadb != nil {
		for domain, g := range other.mariadb {
			if s.mariadb[domain].number < g.number {
				return false
			}
		}
		return true
	}
	s.merge()
	other.merge()
	return s.mysql.Contain(other.mysql)
}

// Clone returns an independent copy.
func (s *GTIDSet) Clone() *GTIDSet {
	if s == nil {
		return nil
	}
	if s.mariadb != nil {
		c := &GTIDSet{mariadb: make(map[uint32]GTID, len(s.mariadb))}
		for d, g := range s.mariadb {
			c.mariadb[d] = g
		}
		return c
	}
	s.merge()
	return &GTIDSet{mysql: s.mysql.Clone().(*mysql.MysqlGTIDSet)}
}

// forSyncer is the set as the library takes it.
func (s *GTIDSet) forSyncer() mysql.GTIDSet {
	if s.mariadb == nil {
		s.merge()
		return s.mysql.Clone()
	}
	set := &mysql.MariadbGTIDSet{Sets: map[uint32]*mysql.MariadbGTID{}}
	for d, g := range s.mariadb {
		set.Sets[d] = &mysql.MariadbGTID{DomainID: d, ServerID: g.serverID, SequenceNumber: g.number}
	}
	return set
}

// String is the GTID in the flavor's own text form; empty if there is none.
func (g GTID) String() string {
	switch {
	case !g.Valid():
		return ""
	case g.server == uuid.UUID{}:
		return fmt.Sprintf("%d-%d-%d", g.domain, g.serverID, g.number)
	case g.tag != mysql.Tag{}:
		return fmt.Sprintf("%s:%s:%d", g.server, g.tag, g.number)
	}
	return fmt.Sprintf("%s:%d", g.server, g.number)
}
