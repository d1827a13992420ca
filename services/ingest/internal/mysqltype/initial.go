package mysqltype

import (
	"slices"
	"strings"
)

// SetInitial says what rows from before the column was added hold, given the default in the statement
// that added it. It returns false when that cannot be told for certain; the rows are then to be read anew.
func (c *Column) SetInitial(literal string, quoted bool) bool {
	value := literal
	switch c.kind {
	case kindInt, kindUint:
		if !isInteger(literal) {
			return false
		}
	case kindDecimal, kindWideDecimal, kindFloat, kindDouble:
		if !isPlainNumber(literal) {
			return false
		}
		_, fraction, _ := strings.Cut(literal, ".")
		switch {
		case c.kind == kindFloat || c.kind == kindDouble:
			if strings.Contains(c.SourceType, "(") && fraction != "" { // FLOAT(M,D) rounds
				return false
			}
		case len(fraction) > c.scale:
			return false
		case c.kind == kindWideDecimal: // text, with all the digits that rows have
			value = wideText(literal, c.scale)
		}
	case kindYear:
		if len(literal) != 4 || !isInteger(literal) {
			return false
		}
	case kindText:
		// The statement is in the session's character set, the number as text may be rounded,
		// and CHAR drops spaces at the end.
		if !quoted || !isASCII([]byte(literal)) || strings.HasSuffix(literal, " ") {
			return false
		}
	case kindEnum, kindSet:
		if !quoted || !isASCII([]byte(literal)) {
			return false
		}
		// The label as declared: MySQL matches without regard to case.
		var ok bool
		if value, ok = c.declared(literal); !ok {
			return false
		}
	case kindDate:
		if _, ok, err := parseDate([]byte(literal)); err != nil || !ok {
			return false
		}
	case kindDatetime:
		if _, ok, err := parseDatetime([]byte(literal)); err != nil || !ok || len(literal) != len("2006-01-02 15:04:05") {
			return false
		}
		// MySQL's text has as many digits of a second as are declared.
		if c.dateText() && strings.Contains(c.SourceType, "(") {
			return false
		}
	default: // TIMESTAMP depends on the session's time zone
		return false
	}
	c.Initial = &value
	return true
}

// SetImplicitInitial is SetInitial for a column that is NOT NULL and has no default.
func (c *Column) SetImplicitInitial() bool {
	switch c.kind {
	case kindInt, kindUint, kindDecimal, kindFloat, kindDouble:
		return c.SetInitial("0", false)
	case kindText:
		return c.SetInitial("", true)
	}
	return false
}

// wideText writes a plain number as the server prints it with that many digits after the point.
func wideText(number string, scale int) string {
	digits, negative := strings.CutPrefix(number, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	text := string(unfilled([]byte("0" + whole)))
	if scale > 0 {
		text += "." + fraction + strings.Repeat("0", scale-len(fraction))
	}
	if negative && strings.Trim(text, "0.") != "" {
		return "-" + text
	}
	return text
}

// declared finds a label as the column declares it. Sets with several members are left out.
func (c *Column) declared(label string) (string, bool) {
	if slices.Contains(c.Labels(), label) { // where case counts, others may differ from it by case only
		return label, true
	}
	for _, l := range c.Labels() {
		if strings.EqualFold(l, label) {
			return l, true
		}
	}
	return "", false
}

// Labels are the members of an ENUM or SET in order, read from SourceType.
func (c *Column) Labels() []string {
	s := c.SourceType
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if c.kind != kindEnum && c.kind != kindSet || open < 0 || end < open {
		return nil
	}
	var labels []string
	var label strings.Builder
	inside := false
	for s = s[open+1 : end]; s != ""; s = s[1:] {
		switch {
		case !inside:
			inside = s[0] == '\''
		case strings.HasPrefix(s, "''"):
			label.WriteByte('\'')
			s = s[1:]
		case s[0] == '\'':
			labels = append(labels, label.String())
			label.Reset()
			inside = false
		default:
			label.WriteByte(s[0])
		}
	}
	return labels
}

func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	_, ok := digits([]byte(s))
	return ok
}

func isPlainNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	_, ok1 := digits([]byte(whole))
	_, ok2 := digits([]byte(fraction))
	return ok1 && (ok2 || !point)
}
