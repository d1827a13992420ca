package mysqltype

import (
	"bytes"
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// RefusedError names a date that no calendar has, in a column whose dates must be real: by Rules, or because it is part of the key.
type RefusedError struct {
	Column string
	// Value is MySQL's text; empty where a mask hides it.
	Value    string
	nullable bool
	// parts is true for a date without a year, month or day; else it is a day that its month does not have.
	parts bool
}

func (e *RefusedError) Error() string {
	value := e.Value
	if value == "" {
		value = "a masked date"
	}
	return value + " is no date of the calendar, which ZERO_DATES=refuse and keys do not allow"
}

// Mend is the statement that takes all such values of the column from the table.
func (e *RefusedError) Mend(table string) string {
	column, instead := QuoteName(e.Column), "NULL"
	if !e.nullable {
		instead = "'1970-01-02'"
	}
	// Both servers take these in strict sessions too, where a comparison with such a date is an error.
	bad := fmt.Sprintf("%[1]s IS NOT NULL AND FROM_DAYS(TO_DAYS(%[1]s)) IS NULL", column)
	if !e.parts {
		bad = fmt.Sprintf("YEAR(%[1]s) > 0 AND NOT (FROM_DAYS(TO_DAYS(%[1]s)) <=> DATE(%[1]s))", column)
	}
	return fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", QuoteName(table), column, instead, bad)
}

// Dated says that the column's frames depend on what becomes of dates that no calendar has.
func (c *Column) Dated() bool {
	return c.dated() && (c.mask == nil || c.mask.Action == MaskHash)
}

func (c *Column) dated() bool {
	return c.kind == kindDate || c.kind == kindDatetime || c.kind == kindTimestamp
}

// dateText says that dates are carried as MySQL's text. Hashes are those of the date, so that they stay
// the same.
func (c *Column) dateText() bool {
	return c.dates == cdcv1.ZeroDates_ZERO_DATES_TEXT && c.dated() && c.mask == nil
}

// appendDate appends MySQL's text of a date. dated is false for one that had to be carried as null.
func (c *Column) appendDate(b *frame.ColumnBuilder, v []byte) (dated bool, err error) {
	if c.dateText() {
		b.Bytes(v)
		return true, nil
	}
	parse := parseDatetime
	if c.kind == kindDate {
		parse = parseDate
	}
	n, ok, err := parse(v)
	switch {
	case err != nil:
		return true, err
	case ok:
		b.Int(n)
	case c.dates == cdcv1.ZeroDates_ZERO_DATES_REFUSE:
		return true, c.refuse(v)
	default:
		b.Null()
	}
	return ok, nil
}

func (c *Column) refuse(text []byte) error {
	e := &RefusedError{Column: c.Name, nullable: c.Nullable, parts: bytes.Equal(text[5:7], []byte("00")) || bytes.Equal(text[8:10], []byte("00"))}
	if c.mask == nil {
		e.Value = string(text)
	}
	return e
}

// date appends a stored date.
func (im *Image) date(b *frame.ColumnBuilder, c *storedColumn, v []byte) error {
	column := &im.Columns[c.frame]
	if column.dateText() {
		im.text = storedDateText(im.text[:0], c, v)
		b.Bytes(im.text)
		return nil
	}
	n, ok := storedDate(c, v)
	switch {
	case ok:
		b.Int(n)
	case column.dates == cdcv1.ZeroDates_ZERO_DATES_REFUSE:
		return column.refuse(storedDateText(nil, c, v))
	default:
		im.Undated++
		b.Null()
	}
	return nil
}

// storedDate reads a date as frames have it; ok is false for one that no calendar has.
func storedDate(c *storedColumn, v []byte) (n int64, ok bool) {
	switch c.kind {
	case kindDate:
		d := int(littleEndian(v))
		return epochDay(d>>9, d>>5&15, d&31)
	case kindTimestamp:
		return int64(bigEndian(v[:4]))*microsPerSecond + fraction(v[4:], c.digits), !zeroTimestamp(v)
	default:
		p := unpackDatetime(v)
		micros, ok := epochMicros(p.year, p.month, p.day, p.hour, p.minute, p.second, 0)
		return micros + fraction(v[5:], c.digits), ok
	}
}

// zeroTimestamp tells '0000-00-00 00:00:00' from fractions of 1970's first second, which MariaDB has as values.
func zeroTimestamp(v []byte) bool { return bigEndian(v) == 0 }

// storedDateText writes a date as MySQL does, a TIMESTAMP in UTC.
func storedDateText(dst []byte, c *storedColumn, v []byte) []byte {
	var rest []byte
	switch c.kind {
	case kindDate:
		d := int(littleEndian(v))
		return fmt.Appendf(dst, "%04d-%02d-%02d", d>>9, d>>5&15, d&31)
	case kindTimestamp:
		rest = v[4:]
		if zeroTimestamp(v) {
			dst = append(dst, "0000-00-00 00:00:00"...)
		} else {
			dst = time.Unix(int64(bigEndian(v[:4])), 0).UTC().AppendFormat(dst, time.DateTime)
		}
	default:
		p := unpackDatetime(v)
		rest = v[5:]
		dst = fmt.Appendf(dst, "%04d-%02d-%02d %02d:%02d:%02d", p.year, p.month, p.day, p.hour, p.minute, p.second)
	}
	if c.digits == 0 {
		return dst
	}
	dst = fmt.Appendf(dst, ".%06d", fraction(rest, c.digits))
	return dst[:len(dst)-6+c.digits]
}

// datetime is what a stored DATETIME consists of.
type datetime struct{ year, month, day, hour, minute, second int }

// unpackDatetime reads DATETIME as stored since MySQL 5.6: 40 bits of sign, year*13+month (17),
// day (5), hour (5), minute (6), second (6), then the fraction.
func unpackDatetime(v []byte) datetime {
	packed := bigEndian(v[:5])
	date, clock := packed>>17&(1<<22-1), int(packed&(1<<17-1))
	yearMonth := int(date >> 5)
	return datetime{yearMonth / 13, yearMonth % 13, int(date & 31), clock >> 12, clock >> 6 & 63, clock & 63}
}
