package mysqltype

import (
	"encoding/binary"
)

// Dates and times as stored before MySQL 5.6, which MariaDB keeps in columns that came with an upgrade or were made under
// mysql56_temporal_format=OFF. Source: Field_datetime0, Field_time0 and Field_timestamp0 in field.cc of MariaDB 10.11.

// errOldFraction is for those with fractions of a second, which only MariaDB 5.3 made so.
func errOldFraction(column string) error {
	return &UnsupportedError{column, "its fractions of a second are stored as in MariaDB 5.3; ALTER TABLE ... FORCE stores them as today"}
}

// modernTimestamp turns the bytes of seconds since 1970.
func modernTimestamp(v []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, binary.LittleEndian.Uint32(v))
}

// modernDatetime packs a number of the digits YYYYMMDDhhmmss.
func modernDatetime(v []byte) []byte {
	n := binary.LittleEndian.Uint64(v)
	date, clock := n/1_000_000, n%1_000_000
	day := (date/10_000*13+date/100%100)<<5 | date%100
	packed := day<<17 | clock/10_000<<12 | clock/100%100<<6 | clock%100 | 1<<39
	return binary.BigEndian.AppendUint64(nil, packed)[3:]
}

// modernTime packs a signed number of the digits hhhmmss.
func modernTime(v []byte) []byte {
	n, sign := signed(littleEndian(v), 3), int64(1)
	if n < 0 {
		n, sign = -n, -1
	}
	packed := sign*(n/10_000<<12|n/100%100<<6|n%100) + 1<<23
	return binary.BigEndian.AppendUint32(nil, uint32(packed))[1:]
}
