package encode

import (
	"math"
	"strconv"

	"github.com/chittihq/duckling/pkg/duck"
)

func writeDate(c *column, dst []byte, i int) []byte {
	days := duck.Slice[int32](&c.vec)[i]
	dst = append(dst, '"')
	switch days {
	case math.MaxInt32:
		dst = append(dst, "infinity"...)
	case -math.MaxInt32:
		dst = append(dst, "-infinity"...)
	default:
		dst = appendDate(dst, int64(days))
	}
	return append(dst, '"')
}

// appendDate writes days since 1970-01-01 by the proleptic Gregorian calendar. A year over 9999 has more digits,
// one before the year 1 is followed by " (BC)", as DuckDB writes it.
//
// The arithmetic is Howard Hinnant's civil_from_days (public domain), with years that begin in March.
func appendDate(dst []byte, days int64) []byte {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day := dayOfYear - (153*shifted+2)/5 + 1
	month := shifted + 3
	if month > 12 {
		month -= 12
	}
	year := yearOfEra + era*400
	if month <= 2 {
		year++
	}
	beforeChrist := year <= 0
	if beforeChrist {
		year = 1 - year
	}
	if year < 10000 {
		dst = append2(append2(dst, year/100), year%100)
	} else {
		dst = strconv.AppendInt(dst, year, 10)
	}
	dst = append(dst, '-')
	dst = append2(dst, month)
	dst = append(dst, '-')
	dst = append2(dst, day)
	if beforeChrist {
		dst = append(dst, " (BC)"...)
	}
	return dst
}

func append2(dst []byte, v int64) []byte { return append(dst, '0'+byte(v/10), '0'+byte(v%10)) }

const (
	nanosPerSecond = int64(1e9)
	secondsPerDay  = int64(24 * 60 * 60)
)

func writeTimestamp(c *column, dst []byte, i int) []byte {
	v := duck.Slice[int64](&c.vec)[i]
	dst = append(dst, '"')
	switch v {
	case math.MaxInt64:
		return append(dst, `infinity"`...)
	case -math.MaxInt64:
		return append(dst, `-infinity"`...)
	}
	perSecond := int64(1e6)
	switch c.typ.ID {
	case duck.TimestampS:
		perSecond = 1
	case duck.TimestampMS:
		perSecond = 1e3
	case duck.TimestampNS:
		perSecond = 1e9
	}
	seconds, fraction := floorDivide(v, perSecond)
	days, second := floorDivide(seconds, secondsPerDay)
	dst = appendDate(dst, days)
	separator, zone := byte(' '), "+00"
	if c.options.Times == TimesISO {
		separator, zone = 'T', "Z"
	}
	dst = append(dst, separator)
	dst = appendClock(dst, second, fraction*(nanosPerSecond/perSecond))
	if c.typ.ID == duck.TimestampTZ {
		dst = append(dst, zone...)
	}
	return append(dst, '"')
}

func floorDivide(v, by int64) (quotient, rest int64) {
	quotient, rest = v/by, v%by
	if rest < 0 {
		return quotient - 1, rest + by
	}
	return quotient, rest
}

// appendClock writes HH:MM:SS and, where there is one, the fraction with 3, 6 or 9 digits.
func appendClock(dst []byte, seconds, nanos int64) []byte {
	if hours := seconds / 3600; hours < 100 {
		dst = append2(dst, hours)
	} else {
		dst = strconv.AppendInt(dst, hours, 10)
	}
	dst = append(dst, ':')
	dst = append2(dst, seconds/60%60)
	dst = append(dst, ':')
	dst = append2(dst, seconds%60)
	if nanos == 0 {
		return dst
	}
	digits := 9
	for digits > 3 && nanos%1000 == 0 {
		nanos /= 1000
		digits -= 3
	}
	dst = append(dst, ".000000000"[:1+digits]...)
	for at := len(dst) - 1; nanos > 0; at, nanos = at-1, nanos/10 {
		dst[at] = '0' + byte(nanos%10)
	}
	return dst
}

func writeTime(c *column, dst []byte, i int) []byte {
	return appendQuotedClock(dst, duck.Slice[int64](&c.vec)[i]*1000)
}

func writeTimeNS(c *column, dst []byte, i int) []byte {
	return appendQuotedClock(dst, duck.Slice[int64](&c.vec)[i])
}

func appendQuotedClock(dst []byte, nanos int64) []byte {
	dst = append(dst, '"')
	dst = appendClock(dst, nanos/nanosPerSecond, nanos%nanosPerSecond)
	return append(dst, '"')
}

// writeTimeTZ reads DuckDB's form: microseconds in the upper 40 bits, and in the
// lower 24 the offset from UTC in seconds, counted down from 15:59:59.
func writeTimeTZ(c *column, dst []byte, i int) []byte {
	v := duck.Slice[uint64](&c.vec)[i]
	const maxOffset = 16*60*60 - 1
	micros, offset := int64(v>>24), maxOffset-int64(v&0xFFFFFF)
	dst = append(dst, '"')
	dst = appendClock(dst, micros/1e6, micros%1e6*1000)
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(dst, sign)
	dst = append2(dst, offset/3600)
	dst = append(dst, ':')
	dst = append2(dst, offset/60%60)
	if offset%60 != 0 {
		dst = append(dst, ':')
		dst = append2(dst, offset%60)
	}
	return append(dst, '"')
}

func writeInterval(c *column, dst []byte, i int) []byte {
	v := duck.Slice[duck.IntervalValue](&c.vec)[i]
	dst = append(dst, '"')
	start := len(dst)
	dst = appendCount(dst, start, int64(v.Months/12), " year")
	dst = appendCount(dst, start, int64(v.Months%12), " month")
	dst = appendCount(dst, start, int64(v.Days), " day")
	if v.Micros != 0 || len(dst) == start {
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		micros := uint64(v.Micros)
		if v.Micros < 0 {
			dst = append(dst, '-')
			micros = -micros
		}
		dst = appendClock(dst, int64(micros/1e6), int64(micros%1e6)*1000)
	}
	return append(dst, '"')
}

func appendCount(dst []byte, start int, n int64, unit string) []byte {
	if n == 0 {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	dst = strconv.AppendInt(dst, n, 10)
	dst = append(dst, unit...)
	if n != 1 && n != -1 {
		dst = append(dst, 's')
	}
	return dst
}
