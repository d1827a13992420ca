package mysqltype

import (
	"fmt"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
)

// daysInMonth is for a year that is not a leap year.
var daysInMonth = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// epochDay counts days from 1970-01-01 in the proleptic Gregorian calendar.
// ok is false for a date that does not exist: zero or partial dates, and those that
// ALLOW_INVALID_DATES lets in.
func epochDay(year, month, day int) (days int64, ok bool) {
	if month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	last := daysInMonth[month]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		last = 29
	}
	if day > last {
		return 0, false
	}
	// Count from March, so that the leap day is a year's last; 400 years are 146097 days.
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468, true
}

func epochMicros(year, month, day, hour, minute, second, micro int) (int64, bool) {
	days, ok := epochDay(year, month, day)
	return days*microsPerDay + int64(hour*3600+minute*60+second)*microsPerSecond + int64(micro), ok
}

// parseDate reads YYYY-MM-DD.
func parseDate(s []byte) (days int64, ok bool, err error) {
	year, month, day, rest, err := cutDate(s)
	if err == nil && len(rest) != 0 {
		err = fmt.Errorf("%q is no date", s)
	}
	if err != nil {
		return 0, false, err
	}
	days, ok = epochDay(year, month, day)
	return days, ok, nil
}

// parseDatetime reads YYYY-MM-DD HH:MM:SS[.ffffff].
func parseDatetime(s []byte) (micros int64, ok bool, err error) {
	year, month, day, rest, err := cutDate(s)
	if err != nil || len(rest) < 9 || rest[0] != ' ' {
		return 0, false, fmt.Errorf("%q is no date and time", s)
	}
	clock, err := parseClock(rest[1:])
	if err != nil {
		return 0, false, fmt.Errorf("%q is no date and time", s)
	}
	micros, ok = epochMicros(year, month, day, 0, 0, 0, 0)
	return micros + clock, ok, nil
}

// parseTime reads [-]HH:MM:SS[.ffffff], hours up to 838.
func parseTime(s []byte) (int64, error) {
	if len(s) > 0 && s[0] == '-' {
		micros, err := parseClock(s[1:])
		return -micros, err
	}
	return parseClock(s)
}

func cutDate(s []byte) (year, month, day int, rest []byte, err error) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, 0, 0, nil, fmt.Errorf("%q is no date", s)
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 {
		return 0, 0, 0, nil, fmt.Errorf("%q is no date", s)
	}
	return year, month, day, s[10:], nil
}

func parseClock(s []byte) (int64, error) {
	colon := 0
	for colon < len(s) && s[colon] != ':' {
		colon++
	}
	if len(s) < colon+6 || s[colon+3] != ':' {
		return 0, fmt.Errorf("%q is no time", s)
	}
	hour, ok1 := digits(s[:colon])
	minute, ok2 := digits(s[colon+1 : colon+3])
	second, ok3 := digits(s[colon+4 : colon+6])
	if !ok1 || !ok2 || !ok3 {
		return 0, fmt.Errorf("%q is no time", s)
	}
	micros := int64(hour*3600+minute*60+second) * microsPerSecond
	rest := s[colon+6:]
	if len(rest) == 0 {
		return micros, nil
	}
	fraction, ok := digits(rest[1:])
	if rest[0] != '.' || !ok || len(rest) > 7 {
		return 0, fmt.Errorf("%q is no time", s)
	}
	for i := len(rest); i < 7; i++ {
		fraction *= 10
	}
	return micros + int64(fraction), nil
}

func digits(s []byte) (int, bool) {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(s) > 0
}
